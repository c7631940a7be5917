"""Tests of the harness: whoever is asked, the verdict and its reason are exact."""
