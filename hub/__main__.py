"""`python -m hub`: one hub process, told by CROSSROADS_* what to do."""

import sys

import uvloop
from pydantic import ValidationError

from hub.process import run
from hub.settings import Settings
from schemas.errors import CrossroadsError
from schemas.process import secrets


def main() -> int:
    """0: stopped as asked; 2: the settings are wrong; 1: it could not start or failed."""
    try:
        secrets.take()
        settings = Settings()
    except secrets.SecretsError as wrong:
        sys.stderr.write(f"{wrong}\n")
        return 2
    except ValidationError as error:
        for each in error.errors(include_input=False, include_url=False):
            name = "_".join(str(part) for part in each["loc"][:1]).upper()
            sys.stderr.write(f"CROSSROADS_{name}: {each['msg']}\n")
        return 2
    try:
        uvloop.run(run(settings))
    except (CrossroadsError, OSError) as error:
        sys.stderr.write(f"the hub does not run: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
