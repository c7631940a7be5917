"""Forward functions in NumPy, followed: the front end of the recorded graph."""
