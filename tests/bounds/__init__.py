"""Tests of the bounds: sound, and no wider than assumed."""
