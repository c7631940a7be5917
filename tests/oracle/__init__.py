"""Tests of the oracle, asking networks, modules and single operations."""
