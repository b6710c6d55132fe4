"""What the hub tells goes down to the members that it is for: docs/distribution.md, "Down a relay's arm".

Which members, a position each and this institution's own are one transaction in the sector's database. A word is kept
there until its member's queue has it.
"""

import asyncio
import base64
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid4

from lxml import etree

from institutions.answer import Answer, read_answer
from institutions.asking import Asking
from institutions.database import Database
from institutions.errors import AskingError, UnknownService
from institutions.inbox import Answer as Definitive
from institutions.inbox import PostgresInbox
from institutions.metrics import Metrics
from institutions.ordered import CATCH_UP
from institutions.passage import Passage, Told
from institutions.receiving import Receiving
from institutions.relay import statements
from institutions.relay.lookup import Lookup
from institutions.relay.numbers import WORD, Numbers
from institutions.relay.sectoral_repertory import FAILURES
from institutions.relay.spans import Words
from institutions.report import Reporter
from institutions.request import Ask, Criteria, build
from institutions.word import Word
from schemas import splice
from schemas.address import Address
from schemas.answers import data_response, information_supplier
from schemas.catalogue import Catalogue
from schemas.codes import NO_VERDICT
from schemas.distribution import cuts, members, of_json, to_json
from schemas.message import Request, find_all, read_head, read_status, text_at, ticket_cbss_in
from schemas.parser import Information, Malformed, parse
from schemas.period import today
from schemas.process.log import logger, told
from schemas.wire import names
from schemas.wire.intake import Outcome
from schemas.wire.transport import Delivery, Properties, Refused, Transport, Unconfirmed, Unroutable, WireError
from schemas.wire.words import OF_A_WORD, to_headers
from schemas.wire.words import Word as Header

if TYPE_CHECKING:
    from schemas.process.tracing import Tracer

#: The legal context of catching up.
CONTEXT = "DISTRIBUTION"
#: Words of one round; and seconds until the next, and until a member whose queue takes nothing is tried again.
MOST, LOOK, AGAIN = 200, 1.0, 60.0
_TIMEOUT = 5.0
#: Bytes of messages in one answer to a member that catches up.
_MOST_BYTES = 512 * 1024
_T = TypeVar("_T")


class _NoVerdictError(Exception):
    """The hub did not say what became of words: what it told instead."""

    def __init__(self, code: str, information: Information) -> None:
        super().__init__(code)
        self.code, self.information = code, information


class Distributing:
    """Words of the hub to members, their answers to it, and what they missed. `run` beside it until cancelled."""

    def __init__(
        self,
        address: Address,
        database_url: str,
        lookup: Lookup,
        catalogue: Catalogue,
        primary: Transport,
        secondary: Transport,
        hub: Asking,
        numbers: Numbers,
        *,
        metrics: Metrics,
        report: Reporter,
        tracer: "Tracer | None" = None,
    ) -> None:
        self._address, self._lookup, self._catalogue, self._hub = address, lookup, catalogue, hub
        self._primary, self._secondary, self._metrics = primary, secondary, metrics
        self._database = Database(database_url)
        self._inbox = PostgresInbox(self._database)
        self.receiving = Receiving(
            primary,
            address,
            names.HUB,
            catalogue,
            inbox=self._inbox,
            ask=self._catch_up,
            eager=CATCH_UP in catalogue.services,
            answers=False,
            metrics=metrics,
            report=report,
            tracer=tracer,
        )
        self._words = None if tracer is None else Words(tracer)
        self._numbers, self._taken = numbers, set[str]()
        self.follow()
        #: Members whose queue took nothing, and when they are tried again.
        self._later: dict[str, float] = {}
        self._more = asyncio.Event()

    def follow(self) -> None:
        """Take the words of each service that the catalogue knows by now, and what was set aside of it."""
        for service in self._catalogue.services.values():
            if service.mode == "mutation" and service.type not in self._taken:
                self._taken.add(service.type)
                self.receiving.add(service, self._numbers.take if service.type == WORD else self.pass_on)

    async def start(self) -> None:
        """Take words from now on."""
        await self.receiving.begin()

    async def close(self) -> None:
        await self.receiving.close()
        await self._database.close()

    # --- down -------------------------------------------------------------------------------------------------------

    async def pass_on(self, word: Word, connection: Any) -> None:
        """Within the transaction that also moves this institution's own position."""
        period, ticket = word.period, word.ticket_cbss
        if period is None or ticket is None or word.position is None:
            return
        rows = await self._lookup.rows(word.ssin, float("inf"))
        owner = read_head(word.root).cbe
        everyone = [a for a, member in self._lookup.members.items() if member.active and a.cbe != owner]
        found = members(rows, word.entitled, period, today(), everyone)
        for member, entitled in found.items():
            paths = cuts(entitled)
            body = splice.cut(word.body, paths)[0] if paths else word.body
            given = await connection.fetchrow(statements.GIVE_POSITION, str(member), ticket)
            if given is None:
                continue  # it was told before, to us as another word: after a new series, or taken as a missed one
            await connection.execute(
                statements.KEEP_WORD, str(member), given["last"], ticket, word.position, word.service.type, word.flow,
                to_json(entitled), body,
            )  # fmt: skip
        if word.flow == "Z" and not found:
            now = datetime.now(UTC)
            supplier = information_supplier(word.root, self._address, now, now)
            nobody = data_response(word.service, word.root, [supplier], "MSG00021", replied=now, ticket_cbss=ticket)
            await self._inbox.answer(connection, Definitive(ticket, "response", nobody))
        if self._words is not None:
            self._words.taken(ticket)
        asyncio.get_running_loop().call_soon(self._more.set)

    async def run(self) -> None:
        """Put words into members' queues, each in order; one that takes none holds up nobody else."""
        while True:
            self._more.clear()
            try:
                count = await self._round()
            except Exception as error:  # noqa: BLE001  the database is away: what is in it is told later
                logger().error("not told yet", relay=str(self._address), **told(error))
                count = 0
            if not count:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK):
                        await self._more.wait()

    async def _round(self) -> int:
        now = monotonic()
        self._later = {member: when for member, when in self._later.items() if when > now}
        async with self._database.connection() as connection:
            records = await connection.fetch(statements.UNTOLD_WORDS, list(self._later), MOST)
        by_member: defaultdict[str, list[Any]] = defaultdict(list)
        for record in records:
            by_member[record["recipient"]].append(record)
        return sum(await asyncio.gather(*(self._tell(member, each) for member, each in by_member.items())))

    async def _tell(self, member: str, records: Sequence[Any]) -> int:
        done: list[int] = []
        for record in records:
            header = Header(record["series"], record["position"], record["flow"], of_json(record["entitled"]))
            properties = Properties(
                user_id=str(self._address),
                correlation_id=f"{record['ticket_cbss']}{OF_A_WORD}",
                reply_to=names.DEFINITIVE if record["flow"] == "Z" else None,
                type=record["service"],
                headers=to_headers(header),
            )
            try:
                with nullcontext() if self._words is None else self._words.told(member, properties):
                    await self._secondary.publish(
                        names.INSTITUTIONS, names.mutations(member), record["body"], properties, timeout=_TIMEOUT
                    )
            except (Refused, Unroutable) as error:
                logger().warning("not told yet", relay=str(self._address), member=member, why=type(error).__name__)
                self._later[member] = monotonic() + AGAIN
                break
            except Unconfirmed:
                self._later[member] = monotonic() + LOOK
                break
            done.append(record["position"])
        if done:
            async with self._database.connection() as connection:
                await connection.execute(statements.WORDS_TOLD, member, done)
        return len(done)

    # --- members' definitive answers --------------------------------------------------------------------------------

    async def answered(self, delivery: Delivery) -> Outcome:
        """A member's answer to a Z: with the last one the hub has this institution's, the first negative one or, where
        all are positive, one of them."""
        member = delivery.properties.user_id or ""
        try:
            ticket = UUID((delivery.properties.correlation_id or "").removesuffix(OF_A_WORD))
            root = parse(delivery.body)
        except (ValueError, Malformed):
            return self._dropped("no answer")
        answers = await self._stored(lambda: self._kept(delivery, root, ticket, member))
        if not answers or answers[0]["answered"] is None:
            return None
        if answers[0]["answer"] is None:
            return None  # the hub has it
        kind = "response" if read_status(parse(answers[0]["answer"])) is not None else "fault"
        properties = Properties(user_id=str(self._address), correlation_id=f"{ticket}{OF_A_WORD}", type=kind)
        while True:
            try:
                await self._primary.publish(names.REPLIES, names.DEFINITIVE, answers[0]["answer"], properties)
                break
            except WireError as error:
                logger().warning("not told yet", relay=str(self._address), why=type(error).__name__)
                await asyncio.sleep(LOOK)
        await self._stored(lambda: self._forget(ticket))
        return None

    async def _stored(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """What a member said must not be lost while the database is away."""
        while True:
            try:
                async with asyncio.timeout(_TIMEOUT):
                    return await call()
            except FAILURES as error:
                logger().warning("answer not kept yet", relay=str(self._address), **told(error))
                await asyncio.sleep(LOOK)

    async def _forget(self, ticket: UUID) -> None:
        async with self._database.connection() as connection:
            await connection.execute(statements.ANSWERS_TOLD, ticket)

    async def _kept(self, delivery: Delivery, root: etree._Element, ticket: UUID, member: str) -> Sequence[Any]:
        """All answers under the ticket, with this one if it is the member's first; none: it counts for nothing."""
        async with self._database.connection() as connection:
            word = await connection.fetchrow(statements.WORD_OF, ticket, member)
            service = self._catalogue.services.get(word["service"]) if word is not None else None
            if service is None or word["flow"] != "Z":
                self._dropped("not who was told")
                return ()
            if service.violations_of(root, "response", "fault") or ticket_cbss_in(root) != ticket:
                self._dropped("not an answer to what was told")
                return ()
            status = read_status(root)
            positive = status is not None and status.value == "DATA_FOUND"
            await connection.execute(statements.WORD_ANSWERED, ticket, member, positive, delivery.body)
            answers: Sequence[Any] = await connection.fetch(statements.WORD_ANSWERS, ticket)
            return answers

    def _dropped(self, why: str) -> Outcome:
        self._metrics.dropped(str(self._address), "answer_of_nobody")
        logger().warning("answer dropped", relay=str(self._address), why=why)
        return None

    # --- catching up ------------------------------------------------------------------------------------------------

    async def _catch_up(self, criteria: Mapping[str, Any]) -> Answer:
        """This institution asks the hub for what it missed itself."""
        return await self._ask(criteria)

    async def _ask(self, criteria: Criteria) -> Answer:
        service = self._catalogue.services.get(CATCH_UP)
        if service is None:
            raise UnknownService(f"no service {CATCH_UP} is known here")
        ask = Ask(service, self._address, str(uuid4()), None, CONTEXT, None, criteria)
        timeout = service.deadline_ms / 1000 + 1
        reply = await self._hub.ask(
            build(ask), service_type=service.type, user=None, ticket=ask.ticket, timeout=timeout
        )
        return read_answer(reply.body, reply.properties, reply.ms)

    async def answer(self, passage: Passage, request: Request, member: Address) -> Told:
        """CatchUp of a member: the hub says, by the rules of today, what it may still be told of what it was told."""
        root = request.root
        after, most = int(text_at(root, "criteria/after") or 0), int(text_at(root, "criteria/most") or 0)
        positions = [int(element.text or 0) for element in find_all(root, "criteria/position")]
        async with self._database.connection() as connection:
            known = await connection.fetchrow(statements.MEMBER_RECIPIENT, str(member))
            if positions:
                records = await connection.fetch(statements.WORDS_AT, str(member), positions)
            else:
                records = await connection.fetch(statements.WORDS_AFTER, str(member), after, most)
        if known is None:
            return passage.refusal("MSG00100")
        if after > known["last"]:
            return passage.refusal("MSG00008", (("expected", "a position of this member's"),))
        try:
            fetched = await self._fetched({record["origin"]: record["ticket_cbss"] for record in records})
        except AskingError as error:
            return passage.fault("CRB00014", [(("hub", type(error).__name__),)])
        except _NoVerdictError as error:
            return passage.fault(error.code, [error.information])
        data = [_element("series", str(known["series"])), _element("last", str(known["last"]))]
        data += [_earlier(series, last) for series, last in zip(known["earlier"], known["earlier_last"], strict=True)]
        size = 0
        for record in records:
            found = fetched.get(record["origin"])
            if found == "lost" and record["body"] is not None:
                break  # not for this member: it waits here for its queue
            if found is None or (size and size + len(found) > _MOST_BYTES):
                break  # its owner is silent, or there is no room for it: asked for with the next
            size += len(found)
            data.append(_word(record, found))
        body = data_response(
            request.service, root, data, replied=datetime.now(UTC), received=passage.at, ticket_cbss=passage.ticket_cbss
        )
        return passage.told(body, "response", "MSG00000")

    async def _fetched(self, origins: Mapping[int, UUID]) -> dict[int, bytes | str]:
        """By position of this institution's, with the ticketCBSS that it was given: the bytes, or why there are none.
        What is not there is asked for with the next: its owner is silent, or there was no room for it."""
        if not origins:
            return {}
        asked = list(origins)[:50]
        answer = await self._ask({f"criteria/position#{n}": _element("position", str(n)) for n in asked})
        if answer.value is None:  # nothing is said of any of them
            code = answer.code if answer.code in NO_VERDICT else "CRB00014"
            raise _NoVerdictError(code or "", answer.information)
        words = {int(text_at(element, "position") or 0): element for element in find_all(answer.root, "word")}
        found: dict[int, bytes | str] = {}
        for position, element in words.items():
            message = text_at(element, "message")
            if text_at(element, "ticketCBSS") != str(origins.get(position)):
                found[position] = "lost"  # of an earlier series of ours: the hub gave the position to another by now
            elif message is not None:
                found[position] = base64.b64decode(message)
            elif not find_all(element, "silent"):
                found[position] = "withheld" if find_all(element, "withheld") else "lost"
        # The hub answers in order, and one at least if it knows any: what it skips it has forgotten.
        last = max(words, default=asked[-1])
        return found | {position: "lost" for position in asked if position <= last and position not in words}


def _word(record: Any, found: bytes | str) -> etree._Element:
    word = etree.Element("word")
    for name, text in (
        ("position", str(record["position"])), ("service", record["service"]), ("flow", record["flow"]),
        ("ticketCBSS", str(record["ticket_cbss"])), ("entitled", record["entitled"]),
    ):  # fmt: skip
        word.append(_element(name, text))
    if isinstance(found, bytes):
        paths = cuts(of_json(record["entitled"]))
        body = splice.cut(found, paths)[0] if paths else found
        word.append(_element("message", base64.b64encode(body).decode()))
    else:
        etree.SubElement(word, found)
    return word


def _earlier(series: UUID, last: int) -> etree._Element:
    element = etree.Element("earlier")
    element.extend((_element("series", str(series)), _element("last", str(last))))
    return element


def _element(name: str, text: str) -> etree._Element:
    element = etree.Element(name)
    element.text = text
    return element
