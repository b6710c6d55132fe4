"""Answers that come in their own time: a recipient's to a mutation of flow Z here, all others where they belong.

docs/distribution.md, "M and Z".
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import structlog

from hub.barrier import Barrier
from hub.journal import PersonKeys
from hub.own.acting import Acting
from hub.queries import QUERIES
from hub.settings import CONFIRM_TIMEOUT
from schemas import splice
from schemas.address import Address
from schemas.catalogue import Catalogue
from schemas.message import find_all, read_head, read_status, ssin_in, text_at, ticket_cbss_in
from schemas.parser import Malformed, parse
from schemas.process import log
from schemas.wire import names
from schemas.wire.telling import Answer, Full, Outcome, Park, Teller, Told
from schemas.wire.transport import Delivery, Properties, Transport
from schemas.wire.words import OF_A_WORD, Later, later_headers

#: Elements of an answer that name institutions: the hub's header says who answers.
_OF_OTHERS = ("informationSupplier", "recipient")
#: Tries to get one answer into the sender's queue; and between two, seconds: doubled each time, up to the second.
_TRIES = 20
_BACKOFF = (0.05, 1.0)


class Definitive:
    """Reads what comes to `hub.definitive`. `questions`: takes what is no answer to a word."""

    def __init__(
        self,
        transport: Transport,
        acting: Acting,
        catalogue: Catalogue,
        keys: PersonKeys,
        barrier: Barrier,
        questions: Callable[[Delivery], Awaitable[Outcome]],
        full: Full,
    ) -> None:
        self._acting, self._catalogue, self._keys, self._barrier = acting, catalogue, keys, barrier
        self._questions = questions
        self._teller = Teller(transport, names.HUB, "", names.DLX, CONFIRM_TIMEOUT, full)

    async def walk(self, delivery: Delivery) -> Outcome:
        """None: it is told, or counts for nothing."""
        correlation = delivery.properties.correlation_id or ""
        if not correlation.endswith(OF_A_WORD):
            return await self._questions(delivery)
        try:
            ticket = UUID(correlation.removesuffix(OF_A_WORD))
        except ValueError:
            return self._dropped("no ticket")
        with structlog.contextvars.bound_contextvars(ticket=str(ticket)):
            return await self._answered(delivery, ticket)

    async def _answered(self, delivery: Delivery, ticket: UUID) -> Outcome:
        recipient = delivery.properties.user_id or ""
        told = await self._barrier.stored(lambda: self._row("delivery_told", ticket, recipient))
        if told is None:
            return self._dropped("not who was told, or not of a flow Z")
        if (code := self._code(delivery, told, ticket)) is None:
            return self._dropped("not an answer to what was told")
        digest = hashlib.sha256(delivery.body).digest()
        first = await self._barrier.stored(lambda: self._row("delivery_answered", ticket, recipient, code, digest))
        if first is None and told["answer_sha256"] != digest:
            again = await self._barrier.stored(lambda: self._row("delivery_told", ticket, recipient))
            if again is None or again["answer_sha256"] != digest:
                return self._dropped("another answer than the first")
        return await self._tell(delivery, told, ticket, Address.parse(recipient))

    def _code(self, delivery: Delivery, told: Any, ticket: UUID) -> str | None:
        """The code that it says; None: it is not valid, or not the answer to this mutation."""
        service = self._catalogue.services.get(told["service"])
        if service is None:
            return None
        try:
            root = parse(delivery.body)
        except Malformed:
            return None
        if service.violations_of(root, "response", "fault"):
            return None
        if ticket_cbss_in(root) != ticket or read_head(root).ticket not in (None, told["ticket"]):
            return None
        status = read_status(root)
        if status is None:
            return text_at(root, "detail/reasonCode") or "fault"
        person = ssin_in(service, root)
        hashes = [key.hash(person) for key in self._keys.keys if key.id == told["key_id"]] if person else []
        return status.code if told["person"] in hashes else None

    async def _tell(self, delivery: Delivery, told: Any, ticket: UUID, recipient: Address) -> Outcome:
        """To the sender, until its queue has it."""
        later = Later(ticket, Address.parse(told["owner"]), recipient, "definitive")
        properties = Properties(
            user_id=delivery.properties.user_id,
            correlation_id=told["correlation_id"],
            reply_to=names.answers(told["sender"]),
            type=delivery.properties.type,
        )
        body, _ = (
            splice.cut(delivery.body, _OF_OTHERS) if _names_another(delivery.body, recipient) else (delivery.body, ())
        )
        answer = Answer(body, later.type, later_headers(later))
        to_sender = replace(delivery, properties=properties)
        pause, most = _BACKOFF
        for _ in range(_TRIES):
            if await self._teller.tell(to_sender, answer) is not Told.AGAIN:
                return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, most)
        return Park("the sender's queue for answers does not take it")

    async def _row(self, query: str, *values: Any) -> Any:
        async with self._acting.connection() as connection:
            return await connection.fetchrow(QUERIES[query], *values)

    def _dropped(self, why: str) -> Outcome:
        log.logger().warning("answer refused", code="CRB00013", why=why)
        return None


def _names_another(body: bytes, recipient: Address) -> bool:
    """Whether it names an institution that the verdict did not: behind a relay, which member knows the person."""
    root = parse(body)
    told = (str(recipient.sector), str(recipient.type))
    return bool(find_all(root, "recipient")) or any(
        tuple(text_at(one, f"supplierIdentification/{name}") for name in ("sector", "institution")) != told
        for one in find_all(root, "informationSupplier")
    )
