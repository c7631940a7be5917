"""The commands of ``python -m reference``, and their figures."""
