"""What the network is told of a Dimona period: `DimonaMutation/1`. docs/declarations.md, "Once only"."""

from collections.abc import Sequence
from typing import Literal

from lxml import etree

from institutions.nsso.dimona.dimona import Change, Kind
from institutions.nsso.register import Employer
from institutions.outbox import Entry
from institutions.publishing import entry
from schemas.address import Address
from schemas.declarations.dimona_period import DimonaPeriod
from schemas.employer import EmployerNumberError, EnterpriseNumber
from schemas.service import Service

TELLS = "DimonaMutation/1"
#: The legal context in which the NSSO tells it, and looks for who was declared by name alone.
CONTEXT = "NSSO:DIMONA"

Action = Literal["CREATED", "CHANGED", "STOPPED", "CANCELLED"]
_ACTIONS: dict[Kind, Action] = {"IN": "CREATED", "OUT": "STOPPED", "UPDATE": "CHANGED", "CANCEL": "CANCELLED"}


class Employments:
    """A `Tell` of the office: a mutation for each change. `service`: DimonaMutation; `owner`: the NSSO."""

    def __init__(self, service: Service, owner: Address) -> None:
        self._service, self._owner = service, owner

    @property
    def answers(self) -> tuple[str, str]:
        """Roots of verdicts, in Clark notation."""
        return self._service.response, self._service.fault

    def __call__(self, change: Change, employer: Employer | None) -> Sequence[Entry]:
        period = change.after or change.before
        if period is None or period.worker.ssin is None:
            return ()
        return (self.entry(_ACTIONS[change.kind], period, employer),)

    def entry(self, action: Action, period: DimonaPeriod, employer: Employer | None) -> Entry:
        """A period as it is; of one that was cancelled as it was. Its worker is identified, else ValueError."""
        if period.worker.ssin is None:
            raise ValueError("nobody is told of a period before it is known whose it is")
        return entry(
            self._service,
            self._owner,
            person=period.worker.ssin,
            period=period.span.days,
            action=action,
            reference=str(period.id),
            legal_context=CONTEXT,
            content=[_employment(period, employer)],
        )


def _employment(period: DimonaPeriod, employer: Employer | None) -> etree._Element:
    span, features = period.span, period.features
    company = employer.company if employer is not None else None
    root = etree.Element("employment")
    for name, said in (
        ("periodId", period.id),
        ("nssoNumber", period.employer),
        ("enterpriseNumber", company),
        ("startingDate", span.starting_date),
        ("startingHour", span.starting_hour),
        ("endingDate", span.ending_date),
        ("endingHour", span.ending_hour),
        ("jointCommission", features.joint_commission),
        ("workerType", features.worker_type),
        ("userEnterpriseNumber", _enterprise(features.user)),
    ):
        if said is not None:
            etree.SubElement(root, name).text = str(said)
    return root


def _enterprise(user: str | None) -> EnterpriseNumber | None:
    """None: there is no user, or one that is only named."""
    try:
        return None if user is None else EnterpriseNumber(user)
    except EmployerNumberError:
        return None
