"""Forward functions of PyTorch, followed."""
