"""`crossroads lot`: many consultations that nobody waits for at a screen, answered in their order."""

import asyncio
import hashlib
import json
import os
import sys
import uuid
from collections import Counter
from pathlib import Path
from time import monotonic
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from deploy.command.send import NO_ANSWER, As, as_dict
from schemas.errors import CrossroadsError

if TYPE_CHECKING:
    from schemas.address import Address
    from schemas.ssin import Ssin

#: Exit status where the totals differ.
DIFFERS = 1
#: Between two lines of progress, seconds.
_PROGRESS = 2.0

group = typer.Typer(no_args_is_help=True, help="Lots of consultations: docs/lots.md.")

File = Annotated[Path, typer.Argument(help="SSINs, one a line; # begins a comment.", show_default=False)]
Service = Annotated[str, typer.Option(metavar="NAME/VERSION", help="What is asked about each.", show_default=False)]
Context = Annotated[str, typer.Option(help="The legal context in which it is asked.", show_default=False)]
Out = Annotated[Path, typer.Option(help="Where answers go, a JSON object a line.", show_default=False)]
Sequence = Annotated[int | None, typer.Option(min=1, help="The lot's number; without it the one that the hub expects.")]


@group.command("send")
def send(
    file: File, as_: As, service: Service, context: Context, out: Out, sequence: Sequence = None
) -> None:  # fmt: skip
    """Ask about many persons as an institution of the running network; answers are written in the order of FILE.

    Stopped on the way, the same command goes on behind the last line of --out. The first line says which lot it is, the
    last that both ends counted the same. --out holds personal data: only its owner can read it.

    Example: crossroads lot send persons.txt --as 64-0 --service SocialStatus/1 --context STATUS --out answers.jsonl

    Exit status: 0 totals agree, 1 they differ, 2 the command could not be done, 3 the network could not be reached.
    """
    from deploy.access import Access, home
    from institutions.errors import LotDiffers, NoAnswer, Unreachable
    from schemas.address import Address

    access = Access.load(home())
    address = Address.parse(as_)
    persons, digest = _persons(file)
    about = {"count": len(persons), "service": service, "context": context, "persons": digest}
    try:
        with _Answers.opened(out, about) as answers:
            if not answers.closed:
                asyncio.run(_send(access.institution_urls(address), address, persons, answers, sequence))
            _summary(answers)
    except LotDiffers as error:
        typer.echo(f"crossroads: {error}", err=True)
        raise typer.Exit(DIFFERS) from None
    except (NoAnswer, Unreachable) as error:
        typer.echo(f"crossroads: {error}. The same command goes on where it stopped", err=True)
        raise typer.Exit(NO_ANSWER) from None


def _persons(file: Path) -> tuple[list["Ssin"], str]:
    """The persons, and what tells this list from another. An error names the line, never the number."""
    from schemas.ssin import Ssin, SsinError

    try:
        lines = (sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CrossroadsError(f"{file}: {getattr(error, 'strerror', None) or 'not UTF-8'}") from None
    persons = []
    for number, line in enumerate(lines, 1):
        if not (text := line.partition("#")[0].strip()):
            continue
        try:
            persons.append(Ssin.parse(text))
        except SsinError:
            raise CrossroadsError(f"{file}: line {number}: no SSIN (11 digits, the last two a check)") from None
    if not persons:
        raise CrossroadsError(f"{file}: no SSIN in it: one a line")
    return persons, hashlib.sha256("\n".join(person.digits for person in persons).encode()).hexdigest()


async def _send(
    urls: tuple[str, ...], address: "Address", persons: list["Ssin"], answers: "_Answers", sequence: int | None
) -> None:
    from institutions import Institution, LotRefused

    async with Institution(address, urls, observe=_quiet) as me:
        while True:
            if answers.lot is None:
                answers.begin(sequence or answers.expected)
            try:
                await _each(me, persons, answers)
                return
            except LotRefused as error:
                if error.expected is None or sequence is not None or answers.had.total():
                    raise
                answers.again(int(error.expected))


async def _each(me: Any, persons: list["Ssin"], answers: "_Answers") -> None:
    about, shown, begun, before = answers.about, monotonic(), monotonic(), answers.had.total()
    lot = me.lot(
        about["service"], persons, legal_context=about["context"],
        sequence=answers.sequence, lot=answers.lot, had=answers.had.copy(),
    )  # fmt: skip
    async for answer in lot:
        answers.add(as_dict(answer))
        if monotonic() - shown >= _PROGRESS:
            shown, done = monotonic(), answers.had.total()
            rate = (done - before) / (shown - begun)
            typer.echo(f"{done} of {len(persons)} answers, {rate:.0f} a second", err=True)
    answers.close()


def _summary(answers: "_Answers") -> None:
    typer.echo(f"lot {answers.sequence}: {answers.had.total()} answers, counted alike by the hub", err=True)
    for (value, code), count in sorted(answers.had.items()):
        typer.echo(f"{count:>9} {value} {code}", err=True)


def _quiet(_: object) -> None:
    """What went wrong is in the error that ends the command."""


class _Answers:
    """The file of answers: which lot it is, an answer a line, and that it is closed."""

    def __init__(self, file: IO[bytes], about: dict[str, Any]) -> None:
        self._file, self.about = file, about
        self.lot: uuid.UUID | None = None
        self.sequence = self.expected = 1
        self.had: Counter[tuple[str, str]] = Counter()
        self.closed = False

    @classmethod
    def opened(cls, path: Path, about: dict[str, Any]) -> "_Answers":
        """Begun, or gone on with: a last line that was cut is taken away."""
        try:
            file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        except OSError as error:
            raise CrossroadsError(f"{path}: {error.strerror}") from None
        answers = cls(file, about)
        try:
            answers._go_on(path)
            os.fchmod(file.fileno(), 0o600)  # one that was there may have been made for others to read
        except BaseException:
            file.close()
            raise
        return answers

    def _go_on(self, path: Path) -> None:
        end = 0
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            try:
                self._read(path, json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                raise CrossroadsError(f"{path} is no file of answers: name another --out") from None
            end += len(line)
        self._file.seek(end)
        self._file.truncate()

    def __enter__(self) -> "_Answers":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _read(self, path: Path, line: dict[str, Any]) -> None:
        from schemas import lot as lots

        if self.lot is None:
            told = {name: line.get(name) for name in self.about}
            if told != self.about:
                wrong = ", ".join(name for name in self.about if told[name] != self.about[name])
                raise CrossroadsError(f"{path} holds another lot ({wrong} differ): name another --out")
            self.lot, self.sequence = uuid.UUID(line["lot"]), line["sequence"]
        elif "closed" in line:
            self.closed = True
        else:
            self.had[lots.kind(line["value"], line["code"])] += 1

    def begin(self, sequence: int) -> None:
        """The first line, before the hub is told: a lot that was opened is known here."""
        self.lot, self.sequence = uuid.uuid4(), sequence
        self._file.seek(0)
        self._file.truncate()
        self._write({"lot": str(self.lot), "sequence": sequence, **self.about})

    def again(self, sequence: int) -> None:
        """The hub expects another number."""
        self.lot, self.expected = None, sequence

    def add(self, answer: dict[str, Any]) -> None:
        from schemas import lot as lots

        kind = lots.kind(answer["value"], answer["code"])
        self._write({"number": self.had.total() + 1, **answer})
        self.had[kind] += 1

    def close(self) -> None:
        self.closed = True
        self._write({"closed": True, "totals": [[*kind, count] for kind, count in sorted(self.had.items())]})

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        self._file.flush()
