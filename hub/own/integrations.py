"""Institutions say whom they know, take it back, and list it: docs/integrations.md."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from lxml import etree

from hub.admission import Admitted, Refused, replaced_number
from hub.own.proof import check_proof, read_proof
from hub.own.service import Call, Ending, Others
from hub.queries import QUERIES
from hub.repertory import lines
from hub.repertory.database import Connection
from hub.repertory.lines import Change
from hub.repertory.persons import integration
from hub.repertory.rules import Authorisation
from schemas.address import Address
from schemas.dossier import Line, Removal, lost, normal, overlapping, register, retain, unregister, without
from schemas.integration import REPLACED
from schemas.message import day_at, find_all, text_at
from schemas.period import Period, PeriodError
from schemas.sectors import exceeds
from schemas.ssin import Ssin

#: The service by which a managing institution says what its members know.
SECTORAL = "SectoralIntegrations/1"
_NOTHING = "MSG00100"


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What others said."""

    #: How it ends, unless the number turns out to be a replaced one.
    ending: Ending | None = None
    #: Of a member: what it has in its network, and what the other members have.
    own: tuple[Line, ...] | None = field(default=None, repr=False)
    others: tuple[Line, ...] = field(default=(), repr=False)
    silent: tuple[Address, ...] = ()


class RegisterIntegration:
    """Puts days of one quality into the repertory."""

    def decide(self, call: Call) -> Admitted | Refused:
        line = _line(call)
        if line is None or line.quality == REPLACED:
            return Refused("MSG00008", (("expected", "a quality of the sector, and a period"),), call.customer)
        if read_proof(call.request.root) is None:
            return _no_proof(call)
        if (last := exceeds(call.customer.sector, line.quality, line.period)) is not None:
            expected = f"quality {line.quality} lasts to {last.isoformat()} at most, from that begin"
            return Refused("MSG00008", (("expected", expected),), call.customer)
        return _allowed(call, line)

    async def prepare(self, call: Call, others: Others) -> _Prepared:
        return _Prepared(await _proven(call, others))

    def persons(self, call: Call) -> Sequence[Ssin]:
        return (_ssin(call),)

    async def act(self, call: Call, prepared: _Prepared, connection: Connection, now: datetime) -> Ending:
        if (ending := await _replaced(call, connection) or prepared.ending) is not None:
            return ending
        line, ssin, kind = _certain(_line(call)), _ssin(call), call.customer.kind
        before = await lines.read(connection, ssin, kind)
        if call.customer.is_cooperating:
            # The sector and type's row is what its members together know: of two phases the higher.
            same = [one for one in before if one.quality == line.quality]
            after = (*(one for one in before if one.quality != line.quality), *normal((*same, line)))
        else:
            after = register(before, line)
        await lines.write(connection, now, kind, [Change(ssin.number, before, after)])
        return _registered(call, before, after, line)

    async def again(self, call: Call, ending: Ending, told: datetime, connection: Connection) -> Ending:
        line, ssin, kind = _certain(_line(call)), _ssin(call), call.customer.kind
        before = await lines.read_before(connection, ssin, kind, told)
        return _registered(call, before, await lines.read_at(connection, ssin, kind, told), line)


class UnregisterIntegration:
    """Takes days out of the repertory, in one of the situations of S607."""

    def decide(self, call: Call) -> Admitted | Refused:
        removal = _removal(call)
        if (wanted := removal.contradiction()) is not None:
            return Refused("MSG00008", (("expected", wanted),), call.customer)
        if read_proof(call.request.root) is None:
            return _no_proof(call)
        if removal.quality is None:
            return Admitted(call.customer, call.fitting[0].row, None, (), ())
        for authorisation in call.fitting:
            if removal.quality in authorisation.qualities:
                return Admitted(call.customer, authorisation.row, removal.quality, (), ())
        return Refused("MSG00013", (("missing", "quality"),), call.customer)

    async def prepare(self, call: Call, others: Others) -> _Prepared:
        if (ending := await _proven(call, others)) is not None:
            return _Prepared(ending)
        return await _sectoral(call, others)

    def persons(self, call: Call) -> Sequence[Ssin]:
        return (_ssin(call),)

    async def act(self, call: Call, prepared: _Prepared, connection: Connection, now: datetime) -> Ending:
        if (ending := await _replaced(call, connection) or prepared.ending) is not None:
            return ending
        ssin, kind, qualities = _ssin(call), call.customer.kind, _qualities(call.fitting)
        before = await lines.read(connection, ssin, kind)
        if prepared.own is None:
            after = unregister(before, _removal(call), qualities)
            gone = lost(before, after)
        else:
            gone = lost(prepared.own, unregister(prepared.own, _removal(call), qualities))
            after = retain(before, without(before, gone), prepared.others)
        if not gone:
            return Ending(_NOTHING)
        await lines.write(connection, now, kind, [Change(ssin.number, before, after)])
        return _remaining(call, after)

    async def again(self, call: Call, ending: Ending, told: datetime, connection: Connection) -> Ending:
        return _remaining(call, await lines.read_at(connection, _ssin(call), call.customer.kind, told))


class ListIntegrations:
    """The customer's own rows: of the hub's repertory, of its network's, or of both."""

    def decide(self, call: Call) -> Admitted | Refused:
        quality = _number(call, "qualityCode")
        if quality is not None and quality not in _qualities(call.fitting):
            return Refused("MSG00013", (("missing", "quality"),), call.customer)
        return Admitted(call.customer, call.fitting[0].row, quality, (), ())

    async def prepare(self, call: Call, others: Others) -> _Prepared:
        return _Prepared() if _register(call) == "PRIMARY" else await _sectoral(call, others)

    def persons(self, call: Call) -> Sequence[Ssin]:
        return ()

    async def act(self, call: Call, prepared: _Prepared, connection: Connection, now: datetime) -> Ending:
        asked = _register(call)
        if (ending := await _replaced(call, connection)) is not None:
            return ending
        if prepared.ending is not None and asked == "SECONDARY":
            return prepared.ending
        found: list[etree._Element] = []
        if asked != "SECONDARY":
            primary = await lines.read(connection, _ssin(call), call.customer.kind)
            found += _elements("registration", "PRIMARY", call.customer.kind, self._wanted(call, primary))
        found += _elements("registration", "SECONDARY", call.customer, self._wanted(call, prepared.own or ()))
        if prepared.ending is not None:
            silent = tuple(("silent", str(address)) for address in prepared.silent)
            return Ending("HAN20200", silent, found, prepared.silent)
        return Ending(data=found) if found else Ending(_NOTHING)

    async def again(self, call: Call, ending: Ending, told: datetime, connection: Connection) -> Ending:
        return ending  # never asked: it changes nothing

    @staticmethod
    def _wanted(call: Call, found: Iterable[Line]) -> Iterator[Line]:
        quality, period, allowed = _number(call, "qualityCode"), _period(call), _qualities(call.fitting)
        return (
            line
            for line in found
            if line.quality in allowed
            and quality in (None, line.quality)
            and (period is None or line.period.overlaps(period))
        )


# --- what a request says --------------------------------------------------------------------------------------------


def _ssin(call: Call) -> Ssin:
    if call.asked.ssin is None:
        raise ValueError("an integration without a person")
    return call.asked.ssin


def _certain(line: Line | None) -> Line:
    if line is None:
        raise ValueError("an admitted registration without its line")
    return line


def _line(call: Call) -> Line | None:
    quality = _number(call, "qualityCode")
    return None if quality is None else Line(quality, _number(call, "phaseCode"), call.asked.period)


def _removal(call: Call) -> Removal:
    return Removal(
        _number(call, "situation") or 0,
        _number(call, "qualityCode"),
        _number(call, "phaseCode"),
        day_at(call.request.root, "criteria/lineBeginDate"),
        _period(call),
    )


def _number(call: Call, name: str) -> int | None:
    text = text_at(call.request.root, f"criteria/{name}")
    return None if text is None else int(text)


def _period(call: Call) -> Period | None:
    """The period that the request names; the journey has looked that it is one."""
    return call.asked.period if find_all(call.request.root, "criteria/period") else None


def _register(call: Call) -> str:
    return text_at(call.request.root, "criteria/register") or "PRIMARY"


# --- what is allowed ------------------------------------------------------------------------------------------------


def _qualities(fitting: Iterable[Authorisation]) -> Collection[int]:
    return frozenset(quality for authorisation in fitting for quality in authorisation.qualities)


def _allowed(call: Call, line: Line) -> Admitted | Refused:
    named = [authorisation for authorisation in call.fitting if line.quality in authorisation.qualities]
    for authorisation in named:
        least = authorisation.min_phase
        if least is None or (line.phase is not None and line.phase >= least):
            return Admitted(call.customer, authorisation.row, line.quality, (), ())
    return Refused("MSG00013", (("missing", "phase" if named else "quality"),), call.customer)


def _no_proof(call: Call) -> Refused:
    expected = "one of SIS card number, identity card number, last name with birth date (yyyy-mm-dd, 00 if not known)"
    return Refused("MSG00008", (("expected", expected),), call.customer)


async def _proven(call: Call, others: Others) -> Ending | None:
    proof = read_proof(call.request.root)
    return Ending("MSG00008") if proof is None else await check_proof(call, others, proof)


async def _replaced(call: Call, connection: Connection) -> Ending | None:
    """A number that was replaced is registered no more: who had integrated it is told the newer one."""
    ssin = _ssin(call)
    records = await connection.fetch(QUERIES["person_rows_replaced"], [ssin.number])
    rows = tuple(integration(record, ssin) for record in records)
    if (newer := replaced_number(call.asked, rows)) is not None:
        return Ending("MSG00006", (("newSSIN", newer.digits),))
    today = call.asked.today
    if any(row.ssin == ssin and row.quality == REPLACED and row.period.contains(today) for row in rows):
        return Ending("MSG00005")
    return None


# --- what others know -----------------------------------------------------------------------------------------------


async def _sectoral(call: Call, others: Others) -> _Prepared:
    """What the members of the customer's network have; of a customer without one, nothing."""
    customer = call.customer
    managing = call.rules.asked_as(customer.kind)
    if not customer.is_cooperating or managing == customer.kind:
        return _Prepared()
    criteria = etree.Element("criteria")
    etree.SubElement(criteria, "ssin").text = call.request.ssin_text
    [answer] = await others.ask(SECTORAL, (managing,), [criteria])
    if answer is None or answer.status.value not in ("DATA_FOUND", "NO_DATA_FOUND"):
        return _Prepared(Ending("CRB00010", silent=(managing,)), silent=(managing,))
    own: list[Line] = []
    rest: list[Line] = []
    for element in find_all(answer.root, "registration"):
        if (line := _read(element)) is not None:
            (own if text_at(element, "organization/cbeNumber") == customer.cbe else rest).append(line)
    return _Prepared(own=tuple(own), others=tuple(rest))


def _read(element: etree._Element) -> Line | None:
    begin, phase = day_at(element, "period/beginDate"), text_at(element, "phaseCode")
    try:
        period = None if begin is None else Period(begin, day_at(element, "period/endDate"))
    except PeriodError:
        return None
    quality = text_at(element, "qualityCode")
    if period is None or quality is None or int(quality) == REPLACED:
        return None
    return Line(int(quality), None if phase is None else int(phase), period)


# --- what is told ---------------------------------------------------------------------------------------------------


def _registered(call: Call, before: Iterable[Line], after: Iterable[Line], line: Line) -> Ending:
    kind = call.customer.kind
    now = [one for one in after if one.quality == line.quality]
    return Ending(
        data=[
            *_elements("overlapping", "PRIMARY", kind, overlapping(before, line.quality, line.period)),
            *_elements("registration", "PRIMARY", kind, now),
        ]
    )


def _remaining(call: Call, after: Iterable[Line]) -> Ending:
    allowed = _qualities(call.fitting)
    left = [line for line in after if line.quality in allowed]
    return Ending(data=list(_elements("registration", "PRIMARY", call.customer.kind, left)))


def _elements(name: str, register_: str, where: Address, found: Iterable[Line]) -> Iterator[etree._Element]:
    for line in found:
        element = etree.Element(name)
        _put(element, "register", register_)
        organization = etree.SubElement(element, "organization")
        if where.cbe is not None:
            _put(organization, "cbeNumber", where.cbe)
        else:
            _put(organization, "sector", str(where.sector))
            _put(organization, "institution", str(where.type))
        _put(element, "qualityCode", str(line.quality))
        if line.phase is not None:
            _put(element, "phaseCode", str(line.phase))
        period = etree.SubElement(element, "period")
        _put(period, "beginDate", line.period.begin.isoformat())
        if line.period.end is not None:
            _put(period, "endDate", line.period.end.isoformat())
        yield element


def _put(parent: etree._Element, name: str, text: str) -> None:
    etree.SubElement(parent, name).text = text
