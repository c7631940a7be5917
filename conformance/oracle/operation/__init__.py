"""One operation asked: a forward and a backward function held to a certified truth."""
