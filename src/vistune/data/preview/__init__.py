"""A page that shows what a model would learn from a data set: pictures, every wording, tokens, what is learned."""
