"""Asking a network: what a subject says that it can do, and the problems that show things."""
