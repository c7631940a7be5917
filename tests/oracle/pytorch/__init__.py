"""Tests of the oracle, asking one operation."""
