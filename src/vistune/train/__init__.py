"""Training: typed stages, what is frozen and what trains, the loop, its state and its log."""
