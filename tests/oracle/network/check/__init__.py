"""Tests of `check`: a given answer to a given problem."""
