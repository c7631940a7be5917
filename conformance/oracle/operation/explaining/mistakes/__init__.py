"""Mistakes that people make with one operation, as the numbers that come of them."""
