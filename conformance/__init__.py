"""The conformance suite: whether an implementation of backpropagation is within its rounding bounds."""
