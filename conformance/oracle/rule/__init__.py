"""One update rule: somebody's steps, held to the reference's (U1) to (U22), its schedules and its clipping."""
