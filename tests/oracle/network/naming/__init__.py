"""What the oracle names: a table of faults, kept by a test, with what is said of each."""
