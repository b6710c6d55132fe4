"""A sender of declarations: a payroll pack's way to the NSSO. `docs/institutions.md`, "Declare", is the guide."""

import asyncio
import os
import re
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

from institutions.asking import Asking, Reply
from institutions.errors import (
    AskingError,
    InstitutionError,
    NoAnswer,
    NotOpen,
    Unreachable,
    UnreadableAnswer,
)
from institutions.metrics import Metrics
from institutions.payroll import workers
from institutions.payroll.answers import Answers, Told
from institutions.payroll.box import Box, Kept
from institutions.payroll.check import Employers
from institutions.payroll.notification import Notification, UnreadableNotificationError, read_notification
from institutions.payroll.publisher import PATIENCE, Mail, Progress, Publication, Signs, Wanted
from institutions.payroll.report import Report
from institutions.payroll.state import StateError
from institutions.payroll.workers import Worker
from institutions.report import Reporter, log_report
from institutions.wire import AmqpWire, Trouble
from schemas.declarations.outcome import Environment
from schemas.employer import EnterpriseNumber, NssoNumber
from schemas.errors import CrossroadsError
from schemas.parser import Malformed
from schemas.period import Period
from schemas.wire import names
from schemas.wire.client.reporting import log_event
from schemas.wire.transport import NotConnected, Observer, Transport

#: The NSSO's broker user: the only one whose answers count.
NSSO = "12-0"
#: Seconds that a caller waits for its answer, unless it says otherwise.
TIMEOUT = 10.0
#: Seconds between two looks into the box, for who listens.
_LOOK = 1.0
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class Sender:
    """One sender, by its number. Use it with `async with`.

    url: AMQP URL with its user, `sender-<number>`, in the senders' vhost, or several, one a node; without it
        CROSSROADS_AMQP_URL tells.
    timeout: seconds that `declare` and `workers` wait unless told otherwise, and that entering waits to be let in.
    observe, report: told of the wire and of what goes wrong with single answers; by default it is logged.
    box: where answers are kept that are another process's of this sender; `.crossroads/senders/<number>.box`, under
        CROSSROADS_HOME where that is set. All processes of a sender need the same one.
    """

    def __init__(
        self,
        number: str,
        url: str | Sequence[str] | None = None,
        *,
        timeout: float = TIMEOUT,
        metrics: Metrics | None = None,
        observe: Observer = log_event,
        report: Reporter = log_report,
        box: Path | None = None,
    ) -> None:
        self.number, self.user = number, names.sender_user(number)
        self.metrics = metrics if metrics is not None else Metrics()
        self._timeout, self._observe = timeout, observe
        self._wire = AmqpWire(_urls(self.user, url), self.user)
        self._answers = Answers(self.user, NSSO, report)
        self._asking: Asking | None = None
        self._transport: Transport | None = None
        self._trouble = Trouble(observe)
        home = Path(os.environ.get("CROSSROADS_HOME") or ".crossroads")
        self._box_path = box if box is not None else home / "senders" / f"{number}.box"
        #: How many publish, or listen, over `_transport`; it was opened for them alone, or for a receiver too.
        self._mailing, self._opened_for_mail, self._opening = 0, False, asyncio.Lock()

    def __repr__(self) -> str:
        return f"Sender({self.number!r})"

    async def __aenter__(self) -> Self:
        """Raises NotAllowed or Unreachable where the broker does not let it in."""
        trouble = Trouble(self._observe)
        self._asking = Asking(self._wire.line(trouble.observe), trouble, self.user, NSSO, self.metrics)
        await self._asking.start()
        try:
            await self._asking.let_in(self._timeout)
            if self._answers.wanted:
                await self._read_answers()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """What is handed to a receiver is finished first; who waits for an answer gets NoAnswer."""
        if self._transport is not None:
            await self._answers.close()
            await self._transport.close()
            self._transport = None
        if self._asking is not None:
            await self._asking.close()
            self._asking = None

    async def declare(
        self,
        body: bytes | str,
        *,
        key: UUID | str | None = None,
        environment: Environment = "R",
        timeout: float | None = None,
    ) -> Notification:
        """Hand in one structured message with one Form, and return how it ended; a refusal is an answer too.

        key: a UUID that names this declaration for good, a new one if not given: the same key with the same bytes is
            done once and told again, whatever was lost on the way. After NoAnswer: `key=error.ticket`.
        Raises OverLimit, NoAnswer, Unreachable, NotAllowed, UnreadableAnswer; nothing is checked here.
        """
        given = _key(key)
        reply = await self._exchange(body.encode() if isinstance(body, str) else body, given, environment, timeout)
        try:
            return read_notification(reply.body)
        except (Malformed, UnreadableNotificationError):
            raise UnreadableAnswer(f"what {NSSO} answered is no NOTIFICATION") from None

    async def workers(
        self,
        employer: NssoNumber | EnterpriseNumber,
        on: date | Period | None = None,
        *,
        cancelled: bool = False,
        timeout: float | None = None,
    ) -> list[Worker]:
        """Periods of work at an employer that hold on this day, or touch these days; None: today, as the NSSO has it.
        In the order of their ids, those that were cancelled only if asked for.

        Raises ListRefused, and as `declare`.
        """
        period = Period(on, on) if isinstance(on, date) else on
        body = workers.request(employer, period, datetime.now(UTC))
        reply = await self._exchange(body, _key(None), "R", timeout)
        try:
            found = workers.read(reply.body)
        except (Malformed, UnreadableNotificationError):
            raise UnreadableAnswer(f"what {NSSO} answered is no list of workers") from None
        return [one for one in found if cancelled or not one.cancelled]

    async def publish(
        self,
        path: Path | str,
        *,
        environment: Environment = "R",
        signer: Signs | None = None,
        employers: Employers | None = None,
        again: bool = False,
        patience: float = PATIENCE,
        progress: Callable[[Progress], None] | None = None,
    ) -> Report:
        """Hand in a file of any number of forms, and return how each ended, when all are answered.

        Also without `async with`. What was begun before is gone on with, however it ended: what stands in
        `<path>.publish` says how far it was. Forms that break their schema, or bear wrong check digits, or name none of
        `employers`, are not sent and stand in the report; the others are.

        environment: R must be signed (`schemas.declarations.signature.Signer`), or bear its FS beside it.
        again: begin a new transfer of a file that was published, or has changed since.
        patience: seconds without a step forward, broker away or answers missing, after which it gives up.
        Raises CannotPublish and StateError, with nothing sent; Unreachable, NotAllowed, NoAnswer: call it once more.
        """
        wanted = Wanted(environment, signer, employers, again, patience)
        publication = Publication(Path(path), self.number, wanted, progress=progress or _nothing)
        [ended] = await self.run([publication])
        if isinstance(ended, BaseException):
            raise ended
        return ended

    async def run(self, publications: Sequence[Publication]) -> list[Report | Exception]:
        """Publish files together: each checked, each sent, then all collected; how each ended, or why it did not. They
        are closed when this returns."""
        ended: dict[Publication, Report | Exception] = {}

        async def each(step: Callable[[Publication], Awaitable[object]], one: Publication) -> None:
            try:
                await step(one)
            except (CrossroadsError, OSError) as error:
                ended[one] = error
            except sqlite3.Error as error:  # the disk is full …
                ended[one] = StateError(f"{one.file}.publish cannot be written: {error}")

        try:
            for one in publications:
                await each(Publication.check, one)
            left = [one for one in publications if one not in ended and not one.answered]
            if left:
                async with self._mail() as mail:
                    for one in left:
                        self._answers.first(one.take)
                    try:
                        for one in left:
                            await each(lambda one: one.send(mail), one)
                        going = (each(lambda one: one.collect(mail), one) for one in left if one not in ended)
                        await asyncio.gather(*going)
                    finally:
                        for one in left:
                            self._answers.no_more(one.take)
            for one in publications:
                if one not in ended:
                    try:
                        ended[one] = one.report()
                    except (CrossroadsError, OSError) as error:
                        ended[one] = error
        finally:
            for one in publications:
                one.close()
        return [ended[one] for one in publications]

    async def listen(self, *, files: bool = False, idle: float | None = None) -> AsyncIterator[Kept]:
        """What comes to the sender's queue and no publisher looks for, one after the other: IDFLUX, DmfAPID, what was
        asked with reply_to `sender-<number>.answers`. A message is done with when the next is asked for.

        files: also what answers files, which their publishers then do not find.
        idle: end after so many seconds without any; None: never.
        Also without `async with`. Raises NotAllowed.
        """
        async with self._mail() as mail:
            loop = asyncio.get_running_loop()
            since = loop.time()
            while idle is None or loop.time() - since < idle:
                for kept in mail.box.others(files=files):
                    yield kept
                    mail.box.remove([kept.id])
                    since = loop.time()
                if (refused := mail.refused()) is not None:
                    raise refused
                await asyncio.sleep(_LOOK if idle is None else min(_LOOK, idle / 2))

    def receives(self, form: str) -> Callable[[Callable[[Told], Awaitable[None]]], Callable[[Told], Awaitable[None]]]:
        """Decorator: this coroutine function gets the messages of this form (`NOTIFICATION`, `IDFLUX`; `""`: every
        other) that come to the sender's queue of answers, one after the other. Until it has returned a message is not
        done with: it comes again."""

        def register(receiver: Callable[[Told], Awaitable[None]]) -> Callable[[Told], Awaitable[None]]:
            if self._asking is not None:
                raise InstitutionError("say what it receives before `async with`")
            self._answers.on(form, receiver)
            return receiver

        return register

    @asynccontextmanager
    async def _mail(self) -> AsyncIterator[Mail]:
        """The way to publish and to read answers; connected as soon as the broker lets it in. What nobody here is for
        goes into the box."""
        box = Box(self._box_path)
        try:
            async with self._opening:
                self._mailing += 1
                if self._transport is None:
                    self._transport, self._opened_for_mail = self._wire.transport(self._trouble.observe), True
                    await self._transport.start()
                    await self._answers.start(self._transport)
                if self._mailing == 1:
                    self._answers.rest(_into(box))
            try:
                yield Mail(self._transport, box, self._trouble, self.user)
            finally:
                async with self._opening:
                    self._mailing -= 1
                    if not self._mailing:
                        if self._opened_for_mail:
                            await self._answers.close()
                            await self._transport.close()
                            self._transport, self._opened_for_mail = None, False
                        self._answers.rest(None)
        finally:
            box.close()

    async def _read_answers(self) -> None:
        self._transport = self._wire.transport(self._trouble.observe)
        await self._transport.start()
        try:
            await self._transport.wait_connected(self._timeout)
        except NotConnected as error:
            raise Unreachable(str(error), None) from None
        await self._answers.start(self._transport)

    async def _exchange(self, body: bytes, key: str, environment: Environment, timeout: float | None) -> Reply:
        if self._asking is None:
            raise NotOpen("not connected: use the sender within `async with`")
        patience = self._timeout if timeout is None else timeout
        headers = {"key": key} if environment == "R" else {"key": key, "environment": environment}
        try:
            return await self._asking.ask(
                body, service_type=None, user=None, ticket=key, timeout=patience, headers=headers
            )
        except NoAnswer:
            raise NoAnswer(
                f"no answer within {patience:g} s; declare the same bytes again with the key {key}: it is done once",
                key,
            ) from None
        except AskingError as error:
            raise type(error)(str(error), key) from None


def _nothing(_: object) -> None: ...


def _into(box: Box) -> Callable[[Told], Awaitable[None]]:
    async def put(told: Told) -> None:
        headers = told.properties.headers
        first, count, ticket = headers.get("first"), headers.get("count"), headers.get("ticket")
        transfer = headers.get("transfer")
        box.put(
            told.form,
            told.body,
            file=told.file,
            key=told.key,
            ticket=ticket if isinstance(ticket, str) else None,
            first=first if isinstance(first, int) else None,
            count=count if isinstance(count, int) else None,
            transfer=transfer if isinstance(transfer, str) else None,
        )

    return put


def _key(given: UUID | str | None) -> str:
    if given is None:
        return str(uuid4())
    if not _UUID.fullmatch(str(given)):
        raise InstitutionError("a key is a UUID: 8, 4, 4, 4 and 12 hexadecimal digits")
    return str(given).lower()


def _urls(user: str, url: str | Sequence[str] | None) -> tuple[str, ...]:
    given = url if url is not None else os.environ.get("CROSSROADS_AMQP_URL", "")
    urls = tuple(part.strip() for part in given.split(",")) if isinstance(given, str) else tuple(given)
    if not any(urls):
        raise InstitutionError(
            f"no broker: give url=amqp://{user}:<password>@<host>/secondary-12, or set CROSSROADS_AMQP_URL"
        )
    return urls
