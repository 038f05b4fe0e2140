"""Checkpoints of a run that is going on: sharded, written beside the training, whole or not there at all."""
