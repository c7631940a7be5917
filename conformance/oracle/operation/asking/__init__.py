"""Calls of one operation."""
