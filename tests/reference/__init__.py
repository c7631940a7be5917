"""Tests of the reference: its equations, the workshop around them, one text on every array library."""
