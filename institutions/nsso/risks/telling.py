"""What the network is told of a risk: `RiskMutation/1`, to the sector of sickness insurance. docs/wire.md."""

from collections.abc import Iterator, Sequence

from institutions.nsso.attestation import Attestation
from institutions.nsso.risks.risk import Action, Form, Risk
from institutions.outbox import Entry
from institutions.publishing import entry
from institutions.question import Question
from schemas.address import Address
from schemas.catalogue import Catalogue, shipped
from schemas.period import Period
from schemas.service import Service

#: `Name/version` of the mutation.
TELLS = "RiskMutation/1"
#: Legal context in which 12-0 tells.
CONTEXT = "NSSO:RISK"
#: The mutualities; the relay of 11-0 knows which of them insures.
INSURERS = Address(11, 1)
_element = Question.element


def service_of(catalogue: Catalogue | None = None) -> Service:
    """RiskMutation; of a catalogue that has none, what ships."""
    found = None if catalogue is None else catalogue.services.get(TELLS)
    return found if found is not None else Service.read(shipped() / TELLS.partition("/")[0])


def told_of(
    service: Service,
    owner: Address,
    form: Form,
    before: Risk | None,
    after: Risk,
    action: Action,
    attestations: Sequence[Attestation] = (),
) -> Iterator[Entry]:
    """One mutation; of a risk that begins on another day now two: who insures then may be another mutuality.

    The period is the day on which the risk begins, whatever the action: so all of a risk goes to the same one.
    """
    if before is not None and before.starts != after.starts:
        yield _entry(service, owner, form, before, "CANCELLED", ())
        action = "CREATED"
    yield _entry(service, owner, form, after, action, attestations)


def _entry(
    service: Service, owner: Address, form: Form, risk: Risk, action: Action, attestations: Sequence[Attestation]
) -> Entry:
    says = _element(
        "risk",
        _element("form", form),
        _element("identification", risk.identification),
        _element("startingDate", risk.starts),
        None if risk.recovers is None else _element("recoveryDate", risk.recovers),
        _element("nssoNumber", risk.employer),
        None if risk.company is None else _element("enterpriseNumber", risk.company),
    )
    return entry(
        service,
        owner,
        person=risk.ssin,
        period=Period(risk.starts, risk.starts),
        action=action,
        reference=risk.ticket,
        legal_context=CONTEXT,
        content=[says, *(one.element for one in attestations)],
        destinations=(INSURERS,),
    )
