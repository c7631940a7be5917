"""Tests of the suite of random problems."""
