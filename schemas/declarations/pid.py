"""The identifiers of a DmfA (message DmfAPID): what an update has to name, block by block, with its version.

Field digest 6.2; `docs/declarations.md`, "DmfA". Written by the NSSO after each DmfA or update that it accepts, read by
senders.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache
from pathlib import Path

from lxml import etree

from schemas.declarations.form import Form, Release
from schemas.declarations.head import reference
from schemas.declarations.quarter import Quarter, QuarterError
from schemas.declarations.values import integer, text_of, value
from schemas.declarations.writing import element, head, opening
from schemas.grammar import GrammarError
from schemas.parser import MAX_ONLINE, parse

FORM = "DmfAPID"
_RELEASE = "DmfAPID_20224"
#: Bytes of one message: half of what goes on line, since its elements are short, and their number is limited too.
MOST = MAX_ONLINE // 2
_FORM = "IDEmployerDeclaration"


class UnreadablePids(ValueError):  # noqa: N818  what they are
    """No DmfAPID with one Form."""


@dataclass(frozen=True, slots=True)
class OccupationPid:
    """Block 90246."""

    #: OccupationSequenceNbr.
    sequence: int
    version: int
    #: As the sender wrote it.
    reference: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RecordPid:
    """Block 90248."""

    #: 3 digits each.
    employer_class: str
    worker_code: str
    version: int
    reference: str | None = field(default=None, repr=False)
    occupations: tuple[OccupationPid, ...] = ()


@dataclass(frozen=True, slots=True)
class PersonPid:
    """Block 90245."""

    #: 11 digits, or 0.
    inss: str = field(repr=False)
    #: NaturalPersonPID: of the person, in all declarations.
    pid: int
    #: DeclNaturalPersonPID, and its version: of the person in this declaration.
    declared_pid: int
    version: int
    reference: str | None = field(default=None, repr=False)
    records: tuple[RecordPid, ...] = ()

    def record(self, employer_class: str, worker_code: str) -> RecordPid | None:
        found = (one for one in self.records if (one.employer_class, one.worker_code) == (employer_class, worker_code))
        return next(found, None)


@dataclass(frozen=True, slots=True)
class UnrelatedPid:
    """Block 90247: a contribution that is owed for nobody in particular."""

    #: 3 digits each.
    employer_class: str
    worker_code: str
    version: int


@dataclass(frozen=True, slots=True)
class VehiclePid:
    """Block 90297."""

    plate: str = field(repr=False)
    version: int


@dataclass(frozen=True, slots=True)
class Pids:
    """Block 90244: all that can be named of an employer's quarter, as it is after one declaration or update."""

    quarter: Quarter
    #: Digits; None: it has none that this message can hold.
    nsso: str | None
    #: Digits; 0: none.
    company: str
    trusteeship: bool
    #: EmployerDeclarationPID.
    pid: int
    #: Ticket of the declaration, or update, after which it is so.
    ticket: str
    persons: tuple[PersonPid, ...] = ()
    unrelated: tuple[UnrelatedPid, ...] = ()
    vehicles: tuple[VehiclePid, ...] = ()

    def person(self, inss: str) -> PersonPid | None:
        """By number, 11 digits."""
        return next((one for one in self.persons if one.inss == inss), None)

    def with_part(self, other: "Pids") -> "Pids":
        """With what another message tells of the same declaration after the same ticket."""
        return replace(
            self,
            persons=(*self.persons, *other.persons),
            unrelated=(*self.unrelated, *other.unrelated),
            vehicles=(*self.vehicles, *other.vehicles),
        )


# --- writing ------------------------------------------------------------------------------------------------------


def written(
    pids: Pids, own: str, now: datetime, references: Sequence[tuple[str, str, str]] = (), most: int = MOST
) -> list[bytes]:
    """The messages, each valid against the schema and at most `most` bytes where one person is not more: the persons of
    a large declaration are told over several. GrammarError is a bug, and names no value.

    `own`: ticket of this message. `now` is aware. `references`: of the form that was accepted (`Head.references`); the
    sender's own is told back.
    """
    return [_validated(_message(pids, own, now, references, part)) for part in _parts(pids, most)]


def _parts(pids: Pids, most: int) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for block in _blocks(pids):
        length = len(block.encode())
        if part and size + length > most:
            yield part
            part, size = [], 0
        part.append(block)
        size += length
    yield part


def _message(
    pids: Pids, own: str, now: datetime, references: Sequence[tuple[str, str, str]], blocks: Sequence[str]
) -> bytes:
    theirs = next((number for kind, origin, number in references if (kind, origin) == ("1", "1")), None)
    named = reference("1", "2", own) + reference("3", "2", pids.ticket)
    if theirs is not None:
        named += reference("3", "1", theirs)
    quarter = f"{pids.quarter.year:04}{pids.quarter.number}"
    employer = element("Quarter", quarter) + element("NOSSRegistrationNbr", pids.nsso)
    employer += element("Trusteeship", int(pids.trusteeship)) + element("CompanyID", pids.company)
    employer += element("EmployerDeclarationPID", pids.pid)
    return (
        f"{opening(_RELEASE)}<Form>{head('DMFAPID', now, 'SU')}{named}<{_FORM}>{employer}{''.join(blocks)}</{_FORM}>"
        f"</Form></{FORM}>"
    ).encode()


def _blocks(pids: Pids) -> Iterator[str]:
    """Persons first, as the schema wants them."""
    for person in pids.persons:
        records = "".join(map(_record, person.records))
        yield (
            f"<IDNaturalPerson>{element('INSS', person.inss)}"
            f"{element('NaturalPersonUserReference', person.reference)}{element('NaturalPersonPID', person.pid)}"
            f"{element('DeclNaturalPersonPID', person.declared_pid)}"
            f"{element('DeclNaturalPersonVersionNbr', person.version)}{records}</IDNaturalPerson>"
        )
    for one in pids.unrelated:
        yield (
            f"<IDContUnrelatedToNP>{element('UnrelatedEmployerClass', one.employer_class)}"
            f"{element('UnrelatedWorkerCode', one.worker_code)}"
            f"{element('ContUnrelatedToNPVersionNbr', one.version)}</IDContUnrelatedToNP>"
        )
    for vehicle in pids.vehicles:
        yield (
            f"<CompanyVehicleID>{element('LicensePlate', vehicle.plate)}"
            f"{element('CompanyVehicleVersionNbr', vehicle.version)}</CompanyVehicleID>"
        )


def _record(record: RecordPid) -> str:
    occupations = "".join(
        f"<IDOccupation>{element('OccupationSequenceNbr', one.sequence)}{element('OccupationVersionNbr', one.version)}"
        f"{element('OccupationUserReference', one.reference)}</IDOccupation>"
        for one in record.occupations
    )
    return (
        f"<IDWorkerRecord>{element('EmployerClass', record.employer_class)}{element('WorkerCode', record.worker_code)}"
        f"{element('WorkerRecordVersionNbr', record.version)}{element('WorkerRecordUserReference', record.reference)}"
        f"{occupations}</IDWorkerRecord>"
    )


def _validated(body: bytes) -> bytes:
    broken = _release().violations_of(parse(body, limit=64 * MAX_ONLINE))
    if broken:
        raise GrammarError(f"a DmfAPID of ours breaks its schema: {broken[0].path}: {broken[0].reason}")
    return body


@cache
def _release() -> Release:
    return Form.read(Path(__file__).parent / FORM).releases[-1]


# --- reading ------------------------------------------------------------------------------------------------------


def read(body: bytes) -> Pids:
    """Of a message that the NSSO sent. Raises Malformed and UnreadablePids."""
    root = parse(body, limit=4 * MAX_ONLINE)
    forms = list(root.iterchildren("Form"))
    block = forms[0].find(_FORM) if len(forms) == 1 else None
    if root.tag != FORM or block is None:
        raise UnreadablePids("no DmfAPID with one Form")
    tickets: Mapping[tuple[str | None, str | None], str | None] = {
        (value(one, "ReferenceType"), value(one, "ReferenceOrigin")): value(one, "ReferenceNbr")
        for one in forms[0].iterchildren("Reference")
    }
    try:
        quarter = Quarter.parse(value(block, "Quarter") or "")
    except QuarterError:
        raise UnreadablePids("the quarter of a DmfAPID is none") from None
    return Pids(
        quarter,
        value(block, "NOSSRegistrationNbr"),
        value(block, "CompanyID") or "0",
        value(block, "Trusteeship") == "1",
        _number(block, "EmployerDeclarationPID"),
        tickets.get(("3", "2")) or "",
        tuple(map(_read_person, block.iterchildren("IDNaturalPerson"))),
        tuple(
            UnrelatedPid(
                value(one, "UnrelatedEmployerClass") or "",
                value(one, "UnrelatedWorkerCode") or "",
                _number(one, "ContUnrelatedToNPVersionNbr"),
            )
            for one in block.iterchildren("IDContUnrelatedToNP")
        ),
        tuple(
            VehiclePid(_own(one, "LicensePlate") or "", _number(one, "CompanyVehicleVersionNbr"))
            for one in block.iterchildren("CompanyVehicleID")
        ),
    )


def _read_person(block: etree._Element) -> PersonPid:
    return PersonPid(
        value(block, "INSS") or "",
        _number(block, "NaturalPersonPID"),
        _number(block, "DeclNaturalPersonPID"),
        _number(block, "DeclNaturalPersonVersionNbr"),
        _own(block, "NaturalPersonUserReference"),
        tuple(
            RecordPid(
                value(one, "EmployerClass") or "",
                value(one, "WorkerCode") or "",
                _number(one, "WorkerRecordVersionNbr"),
                _own(one, "WorkerRecordUserReference"),
                tuple(map(_read_occupation, one.iterchildren("IDOccupation"))),
            )
            for one in block.iterchildren("IDWorkerRecord")
        ),
    )


def _read_occupation(block: etree._Element) -> OccupationPid:
    return OccupationPid(
        _number(block, "OccupationSequenceNbr"),
        _number(block, "OccupationVersionNbr"),
        _own(block, "OccupationUserReference"),
    )


def _number(block: etree._Element, name: str) -> int:
    try:
        found = integer(block, name)
    except ValueError:
        found = None
    if found is None:
        raise UnreadablePids("a PID or version of a DmfAPID is no number")
    return found


def _own(block: etree._Element, name: str) -> str | None:
    """What is the sender's own, white space and all."""
    found = block.find(name)
    return None if found is None else text_of(found)
