"""The oracle: whether somebody's gradients are right and, if not, which documented equation is violated, and where."""
