"""The judge: each equation held to its bound, what that adds up to, and how it reads."""
