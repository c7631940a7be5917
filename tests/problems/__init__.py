"""Tests of problems and answers, on the wire and on disk."""
