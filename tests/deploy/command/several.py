"""Several commands one after the other in one process: `python several.py`, lists of words as JSON on standard input.

What each printed, and how it ended, goes to standard output as JSON. For tests that ask the same command many things.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

from deploy.command import app


def one(words: list[str]) -> tuple[int, str, str]:
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    sys.argv = ["crossroads", *words]
    status: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            app()
        except SystemExit as ended:
            status = ended.code
    return int(str(status or 0)), *(stream.buffer.getvalue().decode() for stream in (out, err))


if __name__ == "__main__":
    json.dump([one(words) for words in json.load(sys.stdin)], sys.stdout)
