"""The three-part model: vision encoder, connector, language model. Only nn.Modules live here: no files, no text."""
