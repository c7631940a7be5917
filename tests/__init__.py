"""Tests of the reference and of the suite, in folders like theirs."""
