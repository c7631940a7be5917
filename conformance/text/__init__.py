"""The reference as data: its labels, and what stands on a labelled line."""
