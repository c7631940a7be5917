"""Training: first parameters, the loop that improves them, and how well they do."""
