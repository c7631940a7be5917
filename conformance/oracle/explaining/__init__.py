"""What explains wrong numbers, whether a network's or an operation's."""
