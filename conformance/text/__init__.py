"""The reference as data: its labels, and copies of its text with another expression at a label."""
