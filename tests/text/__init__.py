"""Tests of the reference as data: labels and edits."""
