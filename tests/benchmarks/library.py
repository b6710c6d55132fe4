"""An end made with our own library, as a process: `python -m tests.benchmarks.library supplier|asker`, told as
`ends` is."""

import asyncio
import json
import sys
import time
from itertools import count
from pathlib import Path

import uvloop

from institutions import AskingError, Institution, Question, Raw
from schemas.ssin import Ssin
from tests.benchmarks.ends import measured, ready
from tests.benchmarks.lean import DATA, SERVICE
from tests.benchmarks.load import Load
from tests.benchmarks.loop import Result


async def supply(url: str, address: str, delay: float = 0.0) -> None:
    """Answer for ever, with the lean supplier's data."""
    institution = Institution(address, url, concurrency=200)

    @institution.supplies(SERVICE)
    async def answer(_: Question) -> Raw:
        if delay:
            await asyncio.sleep(delay)
        return Raw(DATA)

    async with institution:
        await institution.serve(ready=ready)


async def ask(
    *, url: str, address: str, legal_context: str, persons: str, loop: str, level: int, seconds: float
) -> dict[str, object]:
    """Ask as this load says."""
    numbers = _numbers(persons)
    asked = count()
    async with Institution(address, url, timeout=10.0) as institution:

        async def one(meant: float, result: Result) -> None:
            try:
                answer = await institution.consult(
                    SERVICE,
                    ssin=numbers[next(asked) % len(numbers)],
                    legal_context=legal_context,
                    criteria={"searchInformation/language": "fr", "searchInformation/history": "false"},
                )
            except AskingError:
                result.unanswered += 1
            else:
                result.answered(answer.code, time.perf_counter() - meant)

        return await measured(one, Load(loop, level), seconds)


def _numbers(file: str) -> list[Ssin]:
    return [Ssin.parse(number) for number in Path(file).read_text().split()]


def main() -> None:
    """See the module."""
    told = json.loads(sys.stdin.readline())
    if sys.argv[1] == "supplier":
        uvloop.run(supply(**told))
    else:
        sys.stdout.write(json.dumps(uvloop.run(ask(**told))) + "\n")


if __name__ == "__main__":
    main()
