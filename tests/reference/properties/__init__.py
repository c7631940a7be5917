"""Tests of what holds for every network, whatever it computes."""
