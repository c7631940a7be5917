"""Saving and loading networks and trainings."""
