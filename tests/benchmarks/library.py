"""An end made with our own library, as a process: `python -m tests.benchmarks.library supplier|asker|lot`, told as
`ends` is."""

import asyncio
import json
import sys
import time
from collections import Counter
from itertools import count
from pathlib import Path
from uuid import uuid4

import uvloop

from institutions import AskingError, Institution, Question, Raw
from schemas import lot as lots
from schemas.ssin import Ssin
from tests.benchmarks.ends import measured, ready, told_to_go
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


async def lot(*, url: str, address: str, legal_context: str, persons: str, count: int) -> dict[str, object]:
    """Ask about so many persons in one lot, once told to go. When this returns both ends have counted the same."""
    numbers = _numbers(persons)
    asked = [numbers[n % len(numbers)] for n in range(count)]
    number, in_order, codes = uuid4(), True, Counter[str]()
    async with Institution(address, url, timeout=10.0) as institution:
        await told_to_go()
        began, before = time.perf_counter(), time.process_time()
        answers = institution.lot(
            SERVICE,
            asked,
            legal_context=legal_context,
            sequence=1,
            lot=number,
            criteria={"searchInformation/language": "fr", "searchInformation/history": "false"},
        )
        done = 0
        async for answer in answers:
            done += 1
            in_order = in_order and answer.ticket == str(lots.ticket(number, done))
            codes[answer.code] += 1
        seen = {"count": done, "seconds": time.perf_counter() - began, "cpu": time.process_time() - before}
        return {**seen, "in_order": in_order, "codes": codes}


def _numbers(file: str) -> list[Ssin]:
    return [Ssin.parse(number) for number in Path(file).read_text().split()]


def main() -> None:
    """See the module."""
    told = json.loads(sys.stdin.readline())
    if sys.argv[1] == "supplier":
        uvloop.run(supply(**told))
    elif sys.argv[1] == "lot":
        sys.stdout.write(json.dumps(uvloop.run(lot(**told))) + "\n")
    else:
        sys.stdout.write(json.dumps(uvloop.run(ask(**told))) + "\n")


if __name__ == "__main__":
    main()
