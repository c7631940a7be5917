"""Recipes: code as people write it, each asked in at most three lines beside the call."""
