"""What a run tells while it trains: logs, TensorBoard, Weights & Biases, progress, loss spikes, a curve at the end."""
