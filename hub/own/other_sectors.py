"""Which other sectors know a person: docs/ssdn.md, "ReferenceManager.consult".

Told only to who states the quality and the days in which it has itself integrated the person, and has.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime

from lxml import etree

from hub.admission import Admitted, Refused, known_rows, replaced_number
from hub.own.service import Call, Ending, Others
from hub.queries import QUERIES
from hub.repertory.database import Connection
from hub.repertory.persons import integration
from schemas.integration import REPLACED, Integration, nearest_miss
from schemas.message import day_at, text_at
from schemas.period import Period, PeriodError
from schemas.sectors import SECTORS, qualities_of
from schemas.ssin import Ssin

_EXPECTED = "a requested period within the integrated period"


class ConsultOtherSectors:
    """Reads, and changes nothing."""

    def decide(self, call: Call) -> Admitted | Refused:
        asked = _requested(call)
        if asked is None or not call.asked.period.covers(asked):
            return Refused("MSG00008", (("expected", _EXPECTED),), call.customer)
        for authorisation in call.fitting:
            if _quality(call) in authorisation.qualities:
                return Admitted(call.customer, authorisation.row, _quality(call), (), ())
        return Refused("MSG00013", (("missing", "quality"),), call.customer)

    async def prepare(self, call: Call, others: Others) -> None:
        return None

    def persons(self, call: Call) -> Sequence[Ssin]:
        return ()

    async def act(self, call: Call, prepared: None, connection: Connection, now: datetime) -> Ending:
        ssin, asked = call.asked.ssin, _requested(call)
        if ssin is None or asked is None:
            raise ValueError("an admitted consultation of other sectors without person or period")
        records = await connection.fetch(QUERIES["person_rows_replaced"], [ssin.number])
        every = tuple(integration(record, ssin) for record in records)
        if (newer := replaced_number(call.asked, every)) is not None:
            return Ending("MSG00006", (("newSSIN", newer.digits),))
        rows = known_rows(call.asked, every)
        own = [row for row in rows if row.kind == call.customer.kind]
        # Of the authorisations that name the quality, the one that asks for the least decides.
        phases = [one.min_phase for one in call.fitting if _quality(call) in one.qualities]
        least = None if None in phases else min(phase for phase in phases if phase is not None)
        if (miss := nearest_miss(own, {_quality(call)}, least, call.asked.period)) is not None:
            return Ending("MSG00012", (("missing", miss),))
        found = list(_consultations(call, rows, asked))
        return Ending(data=found) if found else Ending("MSG00100")

    async def again(self, call: Call, ending: Ending, told: datetime, connection: Connection) -> Ending:
        return ending  # never asked: it changes nothing


def _quality(call: Call) -> int:
    return int(text_at(call.request.root, "criteria/qualityCode") or REPLACED)


def _requested(call: Call) -> Period | None:
    begin = day_at(call.request.root, "criteria/requestedPeriod/beginDate")
    try:
        return None if begin is None else Period(begin, day_at(call.request.root, "criteria/requestedPeriod/endDate"))
    except PeriodError:
        return None


def _consultations(call: Call, rows: Iterable[Integration], asked: Period) -> Iterator[etree._Element]:
    """The rows of other sectors, by sector, quality and begin; each once, whichever of its institutions has it."""
    described = text_at(call.request.root, "criteria/fetchDescriptions") in ("true", "1")
    found = {
        (row.kind.sector, row.quality, row.period.begin, row.period.end)
        for row in rows
        if row.kind.sector != call.customer.sector and row.quality != REPLACED and row.period.overlaps(asked)
    }
    for sector, quality, begin, end in sorted(found, key=lambda one: (*one[:3], one[3] or date.max)):
        element = etree.Element("consultation")
        _put(element, "sector", str(sector))
        _put(element, "qualityCode", str(quality))
        period = etree.SubElement(element, "period")
        _put(period, "beginDate", begin.isoformat())
        if end is not None:
            _put(period, "endDate", end.isoformat())
        if described:
            _describe(element, sector, quality)
        yield element


def _describe(element: etree._Element, sector: int, quality: int) -> None:
    """A sector is called after the first of its institution types."""
    kinds = sorted(kind for kind in SECTORS if kind.sector == sector)
    if kinds:
        _put(element, "sectorDescription", SECTORS[kinds[0]].name_nl, "NL")
        _put(element, "sectorDescription", SECTORS[kinds[0]].name_fr, "FR")
    if (known := qualities_of(sector).get(quality)) is not None:
        _put(element, "qualityCodeDescription", known.name_nl, "NL")
        _put(element, "qualityCodeDescription", known.name_fr, "FR")


def _put(parent: etree._Element, name: str, text: str, language: str | None = None) -> None:
    child = etree.SubElement(parent, name)
    child.text = text
    if language is not None:
        child.set("language", language)
