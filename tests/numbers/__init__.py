"""Tests of kinds of number."""
