"""Judging an answer: what speaks for and against it, by what may accuse and by what only names."""
