"""The model that a recipe names: a whole checkpoint, or an encoder, a connector and a language model from anywhere."""
