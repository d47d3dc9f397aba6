"""The one exception that means: the input, not the program, is at fault."""


class Refused(Exception):
    """Bad input. The message is one line: the file or key, what was found, what is allowed, the remedy."""
