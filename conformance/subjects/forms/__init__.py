"""The forms that people write."""
