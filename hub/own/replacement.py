"""A number takes another's place: docs/numbers.md."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import TypeAlias

from lxml import etree

from hub.admission import Admitted, Refused
from hub.own.proof import keepers
from hub.own.service import Call, Ending, Others
from hub.queries import QUERIES
from hub.repertory import lines
from hub.repertory.database import Connection
from hub.repertory.lines import Change
from hub.repertory.persons import integration
from schemas.address import Address
from schemas.answers import written
from schemas.dossier import normal
from schemas.integration import REPLACED
from schemas.message import day_at, text_at
from schemas.ssin import Ssin, SsinError

#: What institutions that know the person are told.
WORD = "SsinReplaced/1"
_NAMESPACE = "urn:crossroads:services:SsinReplaced:v1"
#: Before the rows are closed: of persons who take each other's place there is none that stands for both.
_CONTRADICTION = Ending(
    "MSG00008", (("expected", "a number that nothing else replaces, and a new one that was not replaced itself"),)
)


class ReplaceSsin:
    """Rows move to the new number, the old one says so, and everybody who knows the person is to be told."""

    def decide(self, call: Call) -> Admitted | Refused:
        try:
            old, new = _numbers(call)
        except SsinError:
            return Refused("MSG00011", (), call.customer)
        day = day_at(call.request.root, "criteria/day")
        if old == new or day is None or day > call.asked.today:
            # A day to come would take the person from who asks by the old number before it is replaced.
            expected = "another number than the one replaced, and no day to come"
            return Refused("MSG00008", (("expected", expected),), call.customer)
        return Admitted(call.customer, call.fitting[0].row, None, (), ())

    async def prepare(self, call: Call, others: Others) -> None:
        return None

    def persons(self, call: Call) -> Sequence[Ssin]:
        return _numbers(call)

    async def act(self, call: Call, prepared: None, connection: Connection, now: datetime) -> Ending:
        old, new = _numbers(call)
        replaced = await connection.fetch(QUERIES["person_replacements"], [old.number, new.number])
        if [row["replaced_by"] for row in replaced if row["ssin"] == old.number] == [new.number] and len(replaced) == 1:
            return _moved(0)
        if replaced:
            return _CONTRADICTION
        found = await connection.fetch(QUERIES["person_rows_replaced"], [old.number, new.number])
        rows = [row for row in (integration(record, old) for record in found) if row.quality != REPLACED]
        moving = {row.kind for row in rows if row.ssin == old}
        for kind in sorted(moving):
            ours = await lines.read_many(connection, [old.number, new.number], kind)
            before, there = ours.get(old.number, []), ours.get(new.number, [])
            after = normal((*there, *before))
            changes = [Change(old.number, before, ()), Change(new.number, there, after)]
            await lines.write(connection, now, kind, changes)
        day = _day(call)
        kind = call.customer.kind
        await connection.execute(
            QUERIES["person_add"], now, old.number, kind.sector, kind.type, REPLACED, day, None, None, new.number
        )
        told = _recipients(call, (row.kind for row in rows))
        await connection.execute(
            QUERIES["outbox_add"], call.ticket_cbss, WORD, _word(call, old, new, now), now, list(map(str, told))
        )
        return _moved(len(moving))

    async def again(self, call: Call, ending: Ending, told: datetime, connection: Connection) -> Ending:
        old, _ = _numbers(call)
        return _moved(await connection.fetchval(QUERIES["person_moved_at"], old.number, told))


def _numbers(call: Call) -> tuple[Ssin, Ssin]:
    """Old and new. Raises SsinError: the new one's check digits are wrong."""
    if call.asked.ssin is None:
        raise ValueError("a replacement without a person")
    return call.asked.ssin, Ssin.parse(text_at(call.request.root, "criteria/newSsin") or "")


def _day(call: Call) -> date:
    day = day_at(call.request.root, "criteria/day")
    if day is None:
        raise ValueError("an admitted replacement without its day")
    return day


def _recipients(call: Call, kinds: Iterable[Address]) -> tuple[Address, ...]:
    """Who is told, each once: who knows the person, at the managing institution of its network, the others who keep
    identities, and who is told of changes of everybody."""
    knowing = {call.rules.asked_as(kind) for kind in kinds}
    of_everybody = {
        call.rules.asked_as(row.recipient)
        for row in call.rules.distributions
        if row.everybody and row.valid.contains(call.asked.today)
    }
    return tuple(sorted(knowing.union(keepers(call), of_everybody) - {call.sender}))


def _moved(count: int) -> Ending:
    element = etree.Element("moved")
    element.text = str(count)
    return Ending(data=(element,))


def _word(call: Call, old: Ssin, new: Ssin, now: datetime) -> bytes:
    """The message to all of them. The sender's own ticket is its own business: it names ours."""
    root = etree.Element(f"{{{_NAMESPACE}}}ssinReplacedRequest", nsmap={"r": _NAMESPACE})
    _put(
        root,
        {
            "informationCustomer": {
                "ticket": str(call.ticket_cbss),
                "customerIdentification": {
                    "sector": str(call.customer.sector),
                    "institution": str(call.customer.type),
                },
            },
            "informationCBSS": {
                "ticketCBSS": str(call.ticket_cbss),
                "timestampReceive": call.received.isoformat(),
                "timestampReply": now.isoformat(),
            },
            "legalContext": call.asked.legal_context,
            "criteria": {"ssin": old.digits, "newSsin": new.digits, "day": _day(call).isoformat()},
        },
    )
    return written(root)


_Content: TypeAlias = "dict[str, str | _Content]"


def _put(parent: etree._Element, content: _Content) -> None:
    for name, value in content.items():
        element = etree.SubElement(parent, name)
        if isinstance(value, str):
            element.text = value
        else:
            _put(element, value)
