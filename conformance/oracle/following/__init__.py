"""Front ends of the recorded graph: forward functions in NumPy and in PyTorch, followed."""
