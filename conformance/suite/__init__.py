"""The suite: random architectures, real digits and detection floors, put to every subject and judged."""
