"""Implementations by name, each with what it can do."""
