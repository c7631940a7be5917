"""Right programs that answer with gradients alone: other arrangements, other storage, other libraries."""
