"""Tests of the attack on the text."""
