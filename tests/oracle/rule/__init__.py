"""Tests of the oracle, asking an update rule."""
