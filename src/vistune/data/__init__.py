"""Everything between annotation files and a batch: examples, images, tokens."""
