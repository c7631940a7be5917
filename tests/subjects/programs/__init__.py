"""Programs that answer by the protocol, rightly and not."""
