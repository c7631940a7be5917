"""PyTorch modules as subjects, asked themselves."""
