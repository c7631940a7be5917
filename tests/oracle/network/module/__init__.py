"""Tests of the oracle, asking networks, programs and modules of PyTorch."""
