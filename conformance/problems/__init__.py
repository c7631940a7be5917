"""What is asked and answered: problems and answers in memory, on the wire, in files, drawn at random."""
