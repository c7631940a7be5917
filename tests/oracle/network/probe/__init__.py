"""Tests of `probe` and `probe_trainer`: functions that are asked."""
