"""Naming: which known mistake, convention or choice of elements gives exactly the numbers that are wrong."""
