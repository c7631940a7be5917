"""Tests of code that stores and hands over its arrays otherwise than the document."""
