"""Examples: networks trained by the reference from beginning to end."""
