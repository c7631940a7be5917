"""What any right program may be off by: what is assumed, the numbers that carry it, the sum along all paths."""
