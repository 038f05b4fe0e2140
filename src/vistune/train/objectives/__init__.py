"""What a stage minimises, beyond the loss of answers that every vision-language model computes by itself."""
