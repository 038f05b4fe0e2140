"""Several processes on one run: who we are, and how a model is spread over them."""
