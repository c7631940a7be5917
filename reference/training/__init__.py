"""Training: first parameters, the loop that improves them, how well they do, and files that keep them."""
