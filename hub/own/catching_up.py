"""A recipient that was away asks for what it was to be told; an owner, who has not answered.

docs/distribution.md, "Catch-up". The hub has positions and no content: it asks each owner for its own.
"""

import asyncio
import base64
import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from lxml import etree

from hub.admission import Admitted, Refused
from hub.distribution import still_entitled
from hub.own.service import Answered, Call, Ending, Others
from hub.queries import QUERIES
from hub.repertory.database import Connection
from schemas import splice
from schemas.address import Address
from schemas.distribution import cuts, either, of_json
from schemas.message import find_all, text_at
from schemas.parser import Information
from schemas.splice import stamp
from schemas.ssin import Ssin

REPEAT = "RepeatMutation/1"
#: Bytes of messages in one answer.
_MOST_BYTES = 512 * 1024
#: An owner that is silent for so long stops nobody any more: what it told is lost to who missed it.
_SILENT = timedelta(days=1)


class _OfNobody:
    """They ask about nobody, and change nothing of anybody."""

    def decide(self, call: Call) -> Admitted | Refused:
        if call.customer != call.sender:
            # Its relay answers a member: the hub gives its words no positions.
            return Refused(
                "MSG00013", (("missing", "an institution that is connected to the hub itself"),), call.customer
            )
        return Admitted(call.customer, call.fitting[0].row, None, (), ())

    def persons(self, call: Call) -> Sequence[Ssin]:
        return ()

    async def again(self, call: Call, ending: Ending, told: datetime, connection: Connection) -> Ending:
        return ending


@dataclass(frozen=True, slots=True)
class _Found:
    """What is told, as far as it could be had."""

    recipient: Any
    words: tuple[etree._Element, ...]
    #: The one before which the list ends, since its owner is silent.
    silent: Any | None
    #: By owner, the first one of who was silent and answers again.
    back: Mapping[str, Any]


class CatchUp(_OfNobody):
    """Words from a position on, without a gap."""

    async def prepare(self, call: Call, others: Others) -> "Ending | _Found":
        found = await others.fetch("recipient_known", str(call.customer))
        if not found:
            return Ending("MSG00100")
        recipient, root = found[0], call.request.root
        positions = [int(element.text or 0) for element in find_all(root, "criteria/position")]
        after = int(text_at(root, "criteria/after") or 0)
        if after > recipient["last"]:
            return Ending("MSG00008", (("expected", "a position of this recipient's: operators begin a new series"),))
        if positions:
            records = await others.fetch("delivery_at", str(call.customer), positions)
        else:
            most = int(text_at(root, "criteria/most") or 0)
            records = await others.fetch("delivery_after", str(call.customer), after, most)
        messages = await self._messages(call, others, records)
        words: list[etree._Element] = []
        back: dict[str, Any] = {}
        size = 0
        for record in records:
            said = messages[record["position"]]
            if said is None and not _given_up(record, call.received):
                if not positions:
                    return _Found(recipient, tuple(words), record, back)
                said = "silent"
            body = said if isinstance(said, bytes) else b""
            if body and record["silent_since"] is not None:
                back.setdefault(record["owner"], record)
            if words and size + len(body) > _MOST_BYTES:
                break
            size += len(body)
            words.append(_word(record, said))
        return _Found(recipient, tuple(words), None, back)

    async def act(self, call: Call, prepared: _Found, connection: Connection, now: datetime) -> Ending:
        recipient, address = prepared.recipient, str(call.customer)
        silent = prepared.silent
        for owner, record in prepared.back.items():
            await connection.execute(QUERIES["delivery_heard"], address, record["position"], owner)
        if silent is not None and (silent["silent_since"] is None or silent["owner"] in prepared.back):
            await connection.execute(QUERIES["delivery_silent"], address, silent["position"], silent["owner"], now)
        owed = recipient["owed_from"]
        if text_at(call.request.root, "criteria/after") == str(recipient["last"]):
            # It has all: what comes next is published again. Unless something came meanwhile, which it asks for next.
            await connection.execute(QUERIES["recipient_caught_up"], address, recipient["last"])
            owed = None
        data = [_element("series", str(recipient["series"])), _element("last", str(recipient["last"]))]
        if owed is not None:
            data.append(_element("owedFrom", str(owed)))
        data += [
            _earlier(series, last) for series, last in zip(recipient["earlier"], recipient["earlier_last"], strict=True)
        ]
        information: Information = () if silent is None else (("silent", str(silent["position"])),)
        return Ending("MSG00000", information, [*data, *prepared.words])

    async def _messages(self, call: Call, others: Others, records: Sequence[Any]) -> "dict[int, bytes | str | None]":
        """By position: the message as it may be told today, why there is none, or None where its owner is silent."""
        by_owner: defaultdict[str, list[Any]] = defaultdict(list)
        found: dict[int, bytes | str | None] = {}
        for record in records:
            if self._cuts(call, record) is None:
                found[record["position"]] = "withheld"
            else:
                by_owner[record["owner"]].append(record)
        asked = await asyncio.gather(*(self._ask(call, others, owner, each) for owner, each in by_owner.items()))
        for each in asked:
            found |= each
        return found

    async def _ask(
        self, call: Call, others: Others, owner: str, records: Sequence[Any]
    ) -> "dict[int, bytes | str | None]":
        address = Address.parse(owner)
        criteria = etree.Element("criteria")
        criteria.append(_organisation("owner", address))
        for record in records:
            criteria.append(_element("ticket", record["ticket"]))
        managing = call.rules.asked_as(address.kind)
        [answer] = await others.ask(REPEAT, (managing if address.is_cooperating else address,), [criteria])
        if answer is None or answer.status.value not in ("DATA_FOUND", "NO_DATA_FOUND"):
            return {record["position"]: None for record in records}
        told = _told(answer)
        had = [n for n, record in enumerate(records) if record["ticket"] in told]
        # It gives as many as fit, in the order asked: behind the last one nothing is known yet.
        last = had[-1] if had else len(records) - 1
        found: dict[int, bytes | str | None] = {}
        for n, record in enumerate(records):
            body = told.get(record["ticket"])
            if body is not None and hashlib.sha256(body).digest() == record["sha256"]:
                found[record["position"]] = self._cut(call, record, body)
            else:
                found[record["position"]] = "lost" if n <= last else None
        return found

    def _cut(self, call: Call, record: Any, body: bytes) -> bytes:
        paths = self._cuts(call, record) or ()
        word = splice.put_information_cbss(body, record["ticket_cbss"], record["at"], call.received)
        return splice.cut(word, paths)[0] if paths else word

    def _cuts(self, call: Call, record: Any) -> tuple[str, ...] | None:
        """What was cut then, and what today's rules cut; None: they let it be told no more."""
        then = of_json(record["entitled"])
        rows = still_entitled(call.rules, record["service"], call.customer, record["code"], then, call.asked.today)
        return either([cuts(then), cuts(rows)]) if rows else None


class FollowUp(_OfNobody):
    """The customer's mutations that lack definitive answers."""

    async def prepare(self, call: Call, others: Others) -> None:
        return None

    async def act(self, call: Call, prepared: None, connection: Connection, now: datetime) -> Ending:
        since = text_at(call.request.root, "criteria/since")
        begin = datetime.fromisoformat(since) if since is not None else None
        most = int(text_at(call.request.root, "criteria/most") or 100)
        records = await connection.fetch(QUERIES["mutations_open"], str(call.customer), begin, most)
        data = []
        for record in records:
            submission = etree.Element("submission")
            submission.append(_element("ticketCBSS", str(record["ticket_cbss"])))
            submission.append(_element("ticket", record["ticket"]))
            submission.append(_element("service", record["service"]))
            submission.append(_element("at", stamp(record["at"])))
            submission.extend(_organisation("open", Address.parse(one)) for one in record["recipients"])
            data.append(submission)
        return Ending(data=data) if data else Ending("MSG00100")


def _told(answer: Answered) -> dict[str, bytes]:
    return {
        text_at(one, "ticket") or "": base64.b64decode(text_at(one, "message") or "")
        for one in find_all(answer.root, "mutation")
    }


def _given_up(record: Any, now: datetime) -> bool:
    return record["silent_since"] is not None and record["silent_since"] + _SILENT < now


def _word(record: Any, said: bytes | str | None) -> etree._Element:
    word = etree.Element("word")
    word.append(_element("position", str(record["position"])))
    word.append(_element("service", record["service"]))
    word.append(_element("flow", record["flow"]))
    word.append(_element("ticketCBSS", str(record["ticket_cbss"])))
    word.append(_element("entitled", record["entitled"]))
    if isinstance(said, bytes):
        word.append(_element("message", base64.b64encode(said).decode()))
    else:
        etree.SubElement(word, said or "lost")
    return word


def _earlier(series: UUID, last: int) -> etree._Element:
    element = etree.Element("earlier")
    element.extend((_element("series", str(series)), _element("last", str(last))))
    return element


def _element(name: str, text: str) -> etree._Element:
    element = etree.Element(name)
    element.text = text
    return element


def _organisation(name: str, address: Address) -> etree._Element:
    element = etree.Element(name)
    if address.cbe is not None:
        element.append(_element("cbeNumber", address.cbe))
    else:
        element.extend((_element("sector", str(address.sector)), _element("institution", str(address.type))))
    return element
