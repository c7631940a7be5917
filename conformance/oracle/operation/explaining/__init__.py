"""What the wrong numbers of one operation fit, and which of them are wrong, in sentences."""
