"""Values of the environment that stand in files: secrets that a container is given.

`CROSSROADS_SECRETS` names a directory; of each file in it whose name is that of a variable, in small letters
(`crossroads_journal_key`), the content is the variable's value. What the environment itself says counts first.
"""

import os
from pathlib import Path

from schemas.errors import CrossroadsError

PREFIX = "crossroads_"
VARIABLE = "CROSSROADS_SECRETS"


class SecretsError(CrossroadsError):
    """The directory, or a file in it, cannot be read; the text says which, and nothing of what stands there."""


def take() -> None:
    """Put them into this process's environment. Repeatable. Raises SecretsError."""
    folder = os.environ.get(VARIABLE)
    if not folder:
        return
    try:
        files = sorted(file for file in Path(folder).iterdir() if file.name.startswith(PREFIX))
        for file in files:
            os.environ.setdefault(file.name.upper(), file.read_text(encoding="utf-8").strip())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        where = getattr(error, "filename", None) or folder
        raise SecretsError(f"{VARIABLE}: {where} cannot be read ({reason})") from None
