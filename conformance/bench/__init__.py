"""Speed: what a step of the reference costs, and what judging a gradient does."""
