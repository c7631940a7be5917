"""Trainings: somebody's update rules, held to the reference's over several batches."""
