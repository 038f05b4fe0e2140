"""From a loaded model to answers: generate, stream, rank."""
