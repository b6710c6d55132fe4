"""What a command says while it measures: on standard error, so that standard output is the result."""

import sys


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
