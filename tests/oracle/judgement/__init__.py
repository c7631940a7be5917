"""What is judged of one operation: nothing decided is said so, sums, and what was not given."""
