"""Forward functions, recorded as graphs of operations on whole arrays."""
