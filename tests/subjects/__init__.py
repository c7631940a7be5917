"""Tests of those who answer: right programs, faults, and where PyTorch departs."""
