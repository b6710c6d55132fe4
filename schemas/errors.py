"""The one ancestor of every error this project raises."""


class CrossroadsError(Exception):
    """Something this project refuses or cannot do; the text says what is wrong, what would be right, what to do."""
