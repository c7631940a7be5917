"""A whole network asked: questions, readings of the answers, explanations."""
