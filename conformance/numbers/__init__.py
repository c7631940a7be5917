"""Kinds of number on which the reference's text runs: balls, dual numbers, fractions, symbols; orders of summation."""
