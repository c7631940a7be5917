"""Who answers: the reference, its PyTorch twin, right programs by other routes, faults, anybody's functions."""
