"""`vistune judge`: answers rated by a language model, and the ratings summed up."""
