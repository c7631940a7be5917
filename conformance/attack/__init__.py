"""The reference's text altered, line by line: whether some test fails for every mutant."""
