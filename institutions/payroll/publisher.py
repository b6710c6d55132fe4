"""A file of forms sent to the NSSO: checked, named and signed, sent in slices, its answers collected, reported.

`docs/declarations.md`, "`crossroads payroll publish`". Each step is kept in the file's `State` when it is done and can
be repeated, so that whoever was killed goes on; nothing is declared twice, since all attempts are one `transfer`.
"""

import asyncio
import hashlib
import os
import shutil
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import monotonic
from typing import IO, Protocol, cast
from uuid import uuid4

from institutions.errors import InstitutionError, NoAnswer, NotAllowed, Unreachable
from institutions.payroll import report as reports
from institutions.payroll.answers import Told
from institutions.payroll.box import Box
from institutions.payroll.check import Check, Employers
from institutions.payroll.cutting import CHUNK, Cut, Cutting, FileError
from institutions.payroll.notification import UnreadableNotificationError, read_notifications, read_receipt
from institutions.payroll.report import Report
from institutions.payroll.state import Looked, Part, Phase, State
from institutions.wire import Trouble
from schemas.declarations.file_name import FORMS, MOST_PARTS, FileName, FileNameError
from schemas.declarations.form import FormError
from schemas.declarations.forms import Forms
from schemas.declarations.outcome import Environment
from schemas.parser import Malformed, parse
from schemas.period import today
from schemas.wire import names
from schemas.wire.transport import NotConnected, Properties, Refused, Transport, Unconfirmed, Unroutable

#: Bytes of a slice, and how many may be without a confirm.
SLICE, WINDOW = 262_144, 16
#: Bytes of a part, at most; there are nine, and the NSSO takes 4 GiB in all.
MOST_OF_A_PART = 448 << 20
MOST_FORMS = 1_000_000
#: Seconds without any step forward after which it is given up, unless told otherwise.
PATIENCE = 600.0
#: Seconds that a publish waits for its confirm, and after a nack: at first, and at most.
_CONFIRM, _SLOWER, _SLOWEST = 60.0, 0.5, 15.0
#: Seconds for which the broker must refuse the sender: one that begins to run refuses everybody for a while.
_REFUSED_FOR = 5.0
#: Seconds between two looks into the sender's box.
_LOOK = 1.0
#: Seconds that it waits for a connection, and for each message, to hear how forms ended that were to be validated.
_CONNECTED, _LATE = 10.0, 2.0
#: Forms after which others of the process have their turn, and after which they are kept.
_TURN, _KEPT_TOGETHER = 64, 2_000
_LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LIST = "PFRQ"


class CannotPublish(InstitutionError):  # noqa: N818  the word callers say
    """The file cannot be published as it is; nothing of it was sent. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is."""

    phase: Phase
    #: Bytes of the file that were checked, and its size; then forms, and those of them that are not sent.
    read: int = 0
    size: int = 0
    forms: int = 0
    wrong: int = 0
    #: Bytes that the broker has, of `to_send`.
    sent: int = 0
    to_send: int = 0
    #: Forms that were answered, of `forms - wrong`, and those of them that were refused.
    answered: int = 0
    refused: int = 0
    #: The broker takes no more for now.
    slower: bool = False


class Signs(Protocol):
    """Makes the signature of a part: `schemas.declarations.signature.Signer`."""

    def sign(self, sha256: bytes) -> bytes:
        """What stands in the FS of a part with this digest."""
        ...


@dataclass(slots=True)
class Mail:
    """A sender's way to the broker, while a file is published."""

    transport: Transport
    box: Box
    trouble: Trouble
    user: str
    _since: float | None = None

    def refused(self) -> NotAllowed | None:
        """That the broker lets the sender in no more, and has not for a while; None: it does, as far as is known."""
        if not self.trouble.refused or self.transport.connected:
            self._since = None
        elif self._since is None:
            self._since = monotonic()
        elif monotonic() - self._since > _REFUSED_FOR:
            return NotAllowed(self.trouble.told_refused(self.user), None)
        return None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a publication."""

    environment: Environment = "R"
    signer: Signs | None = None
    employers: Employers | None = None
    again: bool = False
    patience: float = PATIENCE


def _nothing(_: object) -> None: ...


class Publication:
    """One file. The steps in their order: `check`, `send`, `collect`, `report`; `close` in the end."""

    def __init__(
        self,
        file: Path,
        sender: str,
        wanted: Wanted,
        *,
        forms: Forms | None = None,
        progress: Callable[[Progress], None] = _nothing,
        step: Callable[[str], None] = _nothing,
    ) -> None:
        """`step` is called with a name between every two steps: tests end a publisher there.

        Raises StateError; CannotPublish where the file changed since it was begun.
        """
        self.file, self._sender, self._wanted = file, sender, wanted
        self._user = names.sender_user(sender)
        self._forms, self._tell, self._step = forms, progress, step
        world = "" if wanted.environment == "R" else f".{wanted.environment}"
        self._folder = file.with_name(f"{file.name}{world}.publish.d")
        self._csv = file.with_name(f"{file.name}{world}.report.csv")
        self._state_path = file.with_name(f"{file.name}{world}.publish")
        if not file.is_file():
            raise CannotPublish(f"{file}: there is no such file")
        self._state = State.open(self._state_path, sender, wanted.environment, again=wanted.again)
        self._progress = Progress(self._state.phase)
        self._came, self._moved = asyncio.Event(), monotonic()
        #: Slices in flight, which nacks make fewer.
        self._window = WINDOW
        try:
            self._same_file()
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str | None:
        """Of the GO, as soon as it is known."""
        return self._state.name

    @property
    def forms(self) -> int:
        """How many there are in the file, once it is checked."""
        return self._state.forms

    @property
    def answered(self) -> bool:
        """All that is to come has come, or nothing is to be sent."""
        return self._state.phase >= Phase.ANSWERED and not self._state.to_validate

    def close(self) -> None:
        self._state.close()

    def _same_file(self) -> None:
        if self._state.phase < Phase.CHECKED:
            return
        if self.file.stat().st_size != self._state.size or _sha256(self.file) != self._state.sha256:
            raise CannotPublish(
                f"{self.file} is not what it was when its publishing began: put it back, or begin a new transfer with "
                "--again (what was declared by the old one stays declared)"
            )

    # --- check ----------------------------------------------------------------------------------------------------

    async def check(self) -> None:
        """Write through what is right, and name it. Raises CannotPublish, GrammarError and OSError."""
        if self._state.phase < Phase.CHECKED:
            try:
                await self._check()
            except FileError as error:
                raise CannotPublish(f"{self.file}:{error.line}: {error.why}. Nothing was sent") from None
            except FormError as error:
                raise CannotPublish(f"{self.file}: {error}. Nothing was sent") from None
            except Malformed as error:
                raise CannotPublish(f"{self.file}: {_plainly(error)}. Nothing was sent") from None
            self._step("checked")
        if self._state.phase < Phase.NAMED:
            if not self._state.right:
                self._state.reached(Phase.ANSWERED)
                return
            self._name()
            self._step("named")

    async def _check(self) -> None:
        given = self._given()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder.mkdir(mode=0o700)
        forms = self._forms if self._forms is not None else Forms.from_environment()
        whole = given is not None and self._own_signature(given) is not None
        writer = _Whole(self._folder) if whole else _Parts(self._folder)
        with self.file.open("rb") as file, self._state.checking() as kept, closing(writer) as parts:
            source = _Source(file, parts.feed)
            cutting = Cutting(source.read)
            opening = cutting.opening()
            root = parse(opening + cutting.closing)
            release = forms.release_of(root)
            type_ = next((name for name, allowed in FORMS.items() if release.form in allowed), None)
            if type_ is None or type_ == _LIST:
                raise CannotPublish(f"{self.file}: a {release.form} is not published in a file")
            if given is not None and given.type != type_:
                raise CannotPublish(f"{self.file}: its name says {given.type}, and it holds {release.form}")
            check = Check(release, opening, cutting.closing, self._wanted.employers)
            parts.frame(opening, cutting.closing)
            at = wrong = 0
            looked: list[Looked] = []
            self._progress = replace(self._progress, phase=Phase.NEW, size=self.file.stat().st_size)
            for cut in cutting.forms():
                at += 1
                try:
                    found = check.look(cut.form, cut.line)
                except Malformed as error:
                    raise FileError(cut.line, f"{_plainly(error)}, in the form that begins here") from None
                if found:
                    wrong += 1
                    looked.append(Looked(at, cut.line, None, None, found))
                else:
                    looked.append(Looked(at, cut.line, at - wrong, parts.put(cut)))
                if at % _TURN == 0:
                    await asyncio.sleep(0)
                if len(looked) >= _KEPT_TOGETHER:
                    kept.forms(looked)
                    looked.clear()
                    self._say(read=source.count, forms=at, wrong=wrong)
            if at == 0:
                raise FileError(cutting.line, "there is no form in it")
            if at - wrong > MOST_FORMS:
                raise CannotPublish(f"{self.file}: more than {MOST_FORMS} forms: publish it as several files")
            kept.forms(looked)
            if whole and wrong:
                raise CannotPublish(
                    f"{self.file}: {wrong} of {at} forms are wrong, and its FS is over the whole file: correct them "
                    "and sign it again, or take the FS away and sign what is right with --key"
                )
            kept.done(source.count, source.digest, type_, at, at - wrong, parts.finish() if at > wrong else ())
            self._say(read=source.count, forms=at, wrong=wrong)

    def _given(self) -> FileName | None:
        """The file's own name, where it is one of the field's."""
        try:
            name = FileName.parse(self.file.name, "FI")
        except FileNameError:
            return None
        if name.sender != self._sender or name.environment != self._wanted.environment or name.parts != 1:
            raise CannotPublish(
                f"{self.file.name} is the name of a file of another sender or environment, or of one of several parts: "
                "give it any other name, and it is named for you"
            )
        return name

    def _own_signature(self, given: FileName) -> Path | None:
        """The FS beside the file, which is used where no key is given."""
        beside = self.file.with_name(str(given.fs(1)))
        return beside if self._wanted.signer is None and beside.is_file() else None

    # --- name and sign --------------------------------------------------------------------------------------------

    def _name(self) -> None:
        state, environment = self._state, self._wanted.environment
        parts, given = state.parts, self._given()
        name = given
        if name is None:
            sequence = _sequence(cast(bytes, state.sha256), state.attempt)
            name = FileName("FI", cast(str, state.type), self._sender, today(), sequence, environment, len(parts), 1)
        signatures: list[tuple[int, bytes]] = []
        if environment != "S" and self._wanted.signer is not None:
            signatures = [(part.number, self._wanted.signer.sign(part.sha256)) for part in parts]
        elif given is not None and environment != "S" and (own := self._own_signature(given)) is not None:
            if parts[0].sha256 != state.sha256:
                raise CannotPublish(f"{own} came behind the check: begin with --again, so that the file goes as it is")
            signatures = [(1, own.read_bytes())]
        elif environment == "R":
            raise CannotPublish(
                "what is real must be signed: say --key and --certificate, or --env T (test) or S (simulation). The "
                "check is done and kept"
            )
        state.named(str(name.go()), str(uuid4()), signatures)

    # --- send -----------------------------------------------------------------------------------------------------

    async def send(self, mail: Mail) -> None:
        """All slices that the broker does not have yet, and the GO. Raises Unreachable and NotAllowed."""
        state = self._state
        if state.phase >= Phase.SENT:
            return
        name = FileName.parse(cast(str, state.name), "GO")
        parts = state.parts
        to_send = sum(part.size + len(part.signature or b"") for part in parts)
        sent = sum(part.sent + part.signature_sent for part in parts)
        self._moved = monotonic()
        self._say(phase=Phase.NAMED, forms=state.forms, wrong=state.forms - state.right, sent=sent, to_send=to_send)
        for part in parts:
            with (self._folder / str(part.number)).open("rb") as file:
                await self._part(mail, str(name.fi(part.number)), part, file)
            if part.signature is not None and part.signature_sent < len(part.signature):
                digest, size = hashlib.sha256(part.signature).hexdigest(), len(part.signature)
                for at in range(0, size, SLICE):
                    piece = part.signature[at : at + SLICE]
                    await self._publish(mail, "slice", self._headers(name.fs(part.number), at, size, digest), piece)
                state.confirmed(part.number, size, signature=True)
                self._say(sent=self._progress.sent + size)
                self._step(f"signature {part.number}")
        await self._publish(mail, "go", {"transfer": cast(str, state.transfer), "file": str(name)}, b"")
        self._step("go")
        state.go_told()
        self._step("sent")

    async def _part(self, mail: Mail, name: str, part: Part, file: IO[bytes]) -> None:
        at, digest = part.sent, part.sha256.hex()
        file.seek(at)
        while at < part.size:
            count = self._window
            begin, going = at, []
            for _ in range(count):
                if not (piece := file.read(SLICE)):
                    break
                going.append(self._publish(mail, "slice", self._headers(name, at, part.size, digest), piece))
                at += len(piece)
            if at == begin:
                raise CannotPublish(f"{self._folder}: what was checked is not there any more: begin with --again")
            await _together(going)
            self._step(f"slices {at}")
            self._state.confirmed(part.number, at)
            self._say(sent=self._progress.sent + at - begin)
            # What a nack took is given back step by step.
            self._window = min(WINDOW, self._window + 1)

    def _headers(self, name: object, offset: int, size: int, digest: str) -> Mapping[str, str | int]:
        transfer = cast(str, self._state.transfer)
        return {"transfer": transfer, "file": str(name), "offset": offset, "size": size, "sha256": digest}

    async def _publish(self, mail: Mail, type_: str, headers: Mapping[str, str | int], body: bytes) -> None:
        """Until the broker has it."""
        properties = Properties(
            user_id=self._user,
            type=type_,
            headers=headers,
            content_type="application/octet-stream" if type_ == "slice" else None,
        )
        pause = _SLOWER
        while True:
            left = self._still(mail, "what is sent is not confirmed")
            # A publish waits for a connection too, however little patience is left.
            if not mail.transport.connected:
                await self._connected(mail)
                continue
            try:
                await mail.transport.publish(
                    names.out(self._user), "batch", body, properties, timeout=min(_CONFIRM, left)
                )
            except Refused:
                self._window = max(1, self._window // 2)
                self._say(slower=True)
                await asyncio.sleep(pause)
                pause = min(2 * pause, _SLOWEST)
            except Unroutable as error:
                raise Unreachable(f"{error}. Go on with the same command when it has been", None) from None
            except (Unconfirmed, NotConnected):
                await self._connected(mail)
            else:
                self._moved = monotonic()
                return

    async def _connected(self, mail: Mail) -> None:
        try:
            await mail.transport.wait_connected(_LOOK)
        except NotConnected:
            return
        # It stands, and yet did not confirm: not at once again.
        await asyncio.sleep(0.05)

    def _still(self, mail: Mail, what: str) -> float:
        """Seconds of patience that are left. Raises where it is at its end."""
        if (refused := mail.refused()) is not None:
            raise refused
        left = self._moved + self._wanted.patience - monotonic()
        if left <= 0:
            raise Unreachable(
                f"{self.file}: {what} since {self._wanted.patience:g} s. Nothing is lost: go on with the same command",
                None,
            )
        return left

    # --- collect --------------------------------------------------------------------------------------------------

    async def take(self, told: Told) -> bool:
        """A message from the sender's queue: whether it was this file's, and is kept."""
        if self.name is None or told.file != self.name:
            return False
        headers = told.properties.headers
        transfer = headers.get("transfer")
        if not self._mine(transfer if isinstance(transfer, str) else None):
            return False
        first, count = headers.get("first"), headers.get("count")
        taken = self._take(
            told.form, told.body, first if isinstance(first, int) else None, count if isinstance(count, int) else None
        )
        if taken:
            self._step("kept")
        return taken

    def _mine(self, transfer: str | None) -> bool:
        """Whether it answers this sending: the same bytes at another place have the same name. What is told
        later, when a form has ended, names no transfer."""
        return transfer == self._state.transfer or (transfer is None and not self._state.errors)

    def _take(self, form: str, body: bytes, first: int | None, count: int | None) -> bool:
        try:
            if form == "ACRF":
                self._state.receipt(read_receipt(body))
            elif form == "NOTIFICATION" and first is not None:
                found = list(read_notifications(body))
                if len(found) != (count or 1) or not 1 <= first <= first + len(found) - 1 <= self._state.right:
                    return False
                self._count(self._state.answers(first, found))
            else:
                return False
        except (Malformed, UnreadableNotificationError):
            return False  # it goes into the box, where people look
        self._moved = monotonic()
        self._came.set()
        return True

    def _count(self, new: tuple[int, int]) -> None:
        self._say(answered=self._progress.answered + new[0], refused=self._progress.refused + new[1])

    async def collect(self, mail: Mail) -> None:
        """Until every form is answered, or the file refused. What comes is brought by `take`. Raises NoAnswer.

        Of a file that was answered, but for forms to be validated, it takes what came of them until now.
        """
        state = self._state
        if state.phase >= Phase.ANSWERED:
            await self._ended(mail)
            return
        counts = state.counts()
        self._moved = monotonic()
        self._say(
            phase=Phase.SENT,
            forms=state.forms,
            wrong=state.forms - state.right,
            answered=sum(counts.values()),
            refused=counts.get("REFUSED", 0),
        )
        while not self._complete():
            self._came.clear()
            self._from_box(mail.box)
            if self._complete():
                break
            if not self._came.is_set():
                try:
                    async with asyncio.timeout(_LOOK):
                        await self._came.wait()
                except TimeoutError:
                    self._patient(mail)
        if state.phase < Phase.ANSWERED:
            state.reached(Phase.ANSWERED)
        self._step("answered")

    async def _ended(self, mail: Mail) -> None:
        with suppress(NotConnected):
            await mail.transport.wait_connected(_CONNECTED)
        coming = True
        while coming and self._state.to_validate:
            self._came.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LATE):
                    await self._came.wait()
            self._from_box(mail.box)
            coming = self._came.is_set()

    def _complete(self) -> bool:
        state = self._state
        return (
            state.phase >= Phase.ANSWERED
            or bool(state.errors)
            or (state.errors is not None and self._progress.answered == state.right)
        )

    def _patient(self, mail: Mail) -> None:
        if (refused := mail.refused()) is not None:
            raise refused
        if monotonic() - self._moved > self._wanted.patience:
            missing = self._state.right - self._progress.answered
            raise NoAnswer(
                f"{self.file}: {missing} of {self._state.right} forms are not answered, and nothing came for "
                f"{self._wanted.patience:g} s. Nothing is lost: go on with the same command",
                None,
            )

    def _from_box(self, box: Box) -> None:
        """What others found of this file: kept first, then taken out."""
        found = box.of_file(cast(str, self.name))
        taken = [
            one.id for one in found if self._mine(one.transfer) and self._take(one.form, one.body, one.first, one.count)
        ]
        if taken:
            self._step("kept from the box")
            box.remove(taken)

    # --- report ---------------------------------------------------------------------------------------------------

    def report(self) -> Report:
        """Write the CSV and let go what was sent. Raises OSError."""
        state = self._state
        if state.phase >= Phase.ANSWERED:
            if state.phase < Phase.REPORTED or not self._csv.exists():
                reports.write(self._csv, state)
                self._step("written")
            shutil.rmtree(self._folder, ignore_errors=True)
            self._step("cleared")
            state.reached(Phase.REPORTED)
            self._say(phase=Phase.REPORTED)
        return reports.of_state(self.file, self._state_path, self._csv, state)

    def _say(self, **values: object) -> None:
        """Tell how far it is."""
        if not values.get("slower"):
            values["slower"] = False
        self._progress = replace(self._progress, **values)  # type: ignore[arg-type]
        self._tell(self._progress)


class _Source:
    """Reads the file, counts and hashes what it read, and hands it on."""

    def __init__(self, file: IO[bytes], feed: Callable[[bytes], object]) -> None:
        self._file, self._feed, self._hash = file, feed, hashlib.sha256()
        self.count = 0

    def read(self, count: int) -> bytes:
        found = self._file.read(count)
        self._hash.update(found)
        self._feed(found)
        self.count += len(found)
        return found

    @property
    def digest(self) -> bytes:
        return self._hash.digest()


class _Parts:
    """Writes the parts: each a document of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opening = self._closing = b""
        self._file: IO[bytes] | None = None
        self._done: list[Part] = []
        self._hash = hashlib.sha256()
        self._size = self._line = self._held = 0
        #: What is written next: many small pieces at once.
        self._pieces: list[bytes] = []

    def feed(self, read: bytes) -> None:
        """What is read of the file: here it is no matter."""

    def frame(self, opening: bytes, closing: bytes) -> None:
        """What each begins and ends with."""
        self._opening, self._closing = opening, closing + b"\n"

    def put(self, cut: Cut) -> int:
        """The line of the part at which the form begins."""
        if self._file is not None and self._size + len(cut.form) > MOST_OF_A_PART:
            self._close()
        if self._file is None:
            self._open()
        line = self._line
        self._write(cut.form + b"\n")
        self._line += cut.ends + 1
        return line

    def finish(self) -> list[Part]:
        """All there are; they are on the disk."""
        self._close()
        return self._done

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> None:
        if len(self._done) == MOST_PARTS:
            raise CannotPublish("more than nine parts of 448 MiB: publish it as several files")
        path = self._folder / str(len(self._done) + 1)
        self._file = path.open("wb", buffering=0)
        path.chmod(0o600)
        self._hash, self._size = hashlib.sha256(), 0
        self._line = 1 + self._opening.count(b"\n")
        self._begin()

    def _begin(self) -> None:
        self._write(self._opening)

    def _end(self) -> None:
        self._write(self._closing)

    def _write(self, body: bytes) -> None:
        self._pieces.append(body)
        self._size += len(body)
        self._held += len(body)
        if self._held > CHUNK:
            self._flush()

    def _flush(self) -> None:
        assert self._file is not None  # noqa: S101 - opened before
        together = memoryview(b"".join(self._pieces))
        self._hash.update(together)
        while together:
            together = together[self._file.write(together) :]
        self._pieces.clear()
        self._held = 0

    def _close(self) -> None:
        assert self._file is not None  # noqa: S101 - opened before
        self._end()
        self._flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        self._done.append(Part(len(self._done) + 1, self._size, self._hash.digest(), None))


class _Whole(_Parts):
    """Writes the file as it is: one part."""

    def feed(self, read: bytes) -> None:
        if self._file is None:
            self._open()
        self._write(read)

    def put(self, cut: Cut) -> int:
        return cut.line

    def _begin(self) -> None:
        pass

    def _end(self) -> None:
        pass


async def _together(going: Iterable[Coroutine[object, object, None]]) -> None:
    """All of them; the first that fails ends the others."""
    tasks = [asyncio.ensure_future(one) for one in going]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def _sequence(sha256: bytes, attempt: int) -> str:
    """Of the content, so that the same file sent anew by who lost its state has the same name on the same day, and is
    told so (ACRF-133); another at each `--again`."""
    number = int.from_bytes(hashlib.sha256(sha256 + attempt.to_bytes(4, "big")).digest()[:8], "big")
    number = 1 + number % (36**5 - 1)
    letters = ""
    for _ in range(5):
        number, letter = divmod(number, 36)
        letters = _LETTERS[letter] + letters
    return letters


def _sha256(file: Path) -> bytes:
    found = hashlib.sha256()
    with file.open("rb") as opened:
        for piece in iter(partial(opened.read, 1 << 20), b""):
            found.update(piece)
    return found.digest()


_PLAINLY: Mapping[str, str] = {
    "CRB00001": "a form is too large",
    "CRB00002": "it is not UTF-8",
    "CRB00003": "it is not well-formed XML",
    "CRB00004": "a DOCTYPE, or more than a message may hold",
}


def _plainly(error: Malformed) -> str:
    return _PLAINLY.get(error.code, "it cannot be read")
