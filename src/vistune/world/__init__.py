"""The picture world: procedural scenes, their pictures and tasks, and the small frozen models the demo starts from."""
