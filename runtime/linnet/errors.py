"""The error that users see."""


class LinnetError(Exception):
    """One line for the user: what is wrong and what to do."""
