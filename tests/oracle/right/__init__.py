"""Right pullbacks of drawn functions."""
