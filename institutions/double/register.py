"""What a double was told: who there is, who may ask, who is known where, and which answers it gives by itself."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from institutions.question import Raw
from schemas.address import Address
from schemas.integration import REPLACED, Integration, Opening, check_person
from schemas.parser import Information
from schemas.period import Period
from schemas.ssin import Ssin


@dataclass(frozen=True, slots=True)
class Told:
    """An answer that a test programmed. `code` None: data; silent: none at all."""

    code: str | None = None
    data: tuple[object, ...] = field(default=(), repr=False)
    raw: Raw | None = field(default=None, repr=False)
    information: Information = field(default=(), repr=False)
    silent: bool = False


@dataclass(frozen=True, slots=True)
class Authorisation:
    """This kind may ask this service in this legal context, for persons it knows in one of these qualities."""

    customer: Address
    service_type: str
    legal_context: str
    qualities: frozenset[int]
    #: Whom the hub asks, of those that know the person; None: who ever took questions of this service.
    suppliers: tuple[Address, ...] | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """A check that failed."""

    code: str
    information: Information = field(default=(), repr=False)


#: In which a person is known of whom only `integrate` without quality said so.
ANY_QUALITY = 1


class Register:
    """Lenient while nothing was said: then everybody may ask everything of everybody about anybody."""

    def __init__(self) -> None:
        self.institutions: dict[Address, bool] = {}
        self.authorisations: list[Authorisation] = []
        self.rows: list[Integration] = []
        #: By service type and number; number None: whoever is asked about.
        self.programmed: dict[tuple[str, str | None], Told] = {}

    def told(self, service_type: str, ssin: Ssin) -> Told | None:
        """What a test programmed for this service and person."""
        return self.programmed.get((service_type, ssin.digits)) or self.programmed.get((service_type, None))

    def suppliers(self, customer: Address, service_type: str, legal_context: str) -> tuple[Address, ...]:
        """Whom the authorisations that fit name, in the order of addresses; empty where they name nobody."""
        named = {
            supplier
            for a in self.authorisations
            if (a.customer, a.service_type, a.legal_context) == (customer.kind, service_type, legal_context)
            for supplier in a.suppliers or ()
        }
        return tuple(sorted(named))

    def may_ask(
        self, customer: Address, service_type: str, legal_context: str, ssin: Ssin, asked: Period, rule: str
    ) -> Refused | None:
        """Checks 13 to 15."""
        fitting = [
            a
            for a in self.authorisations
            if (a.customer, a.service_type, a.legal_context) == (customer.kind, service_type, legal_context)
        ]
        if self.authorisations and not fitting:
            return Refused("MSG00013")
        if not self.rows:
            return None
        own = [row for row in self.rows if row.kind == customer.kind]
        newer = next((r.replaced_by for r in self.rows if r.ssin == ssin and r.quality == REPLACED), None)
        if newer is not None and any(row.ssin in (ssin, newer) for row in own):
            return Refused("MSG00006", (("newSSIN", newer.digits),))
        known = [row for row in own if row.ssin == ssin]
        nearest = "quality"
        for authorisation in fitting or [_any(known)]:
            found = check_person(known, authorisation.qualities, None, asked, rule)
            if isinstance(found, Opening):
                return None
            nearest = max(nearest, found, key=("quality", "phase", "period").index)
        return Refused("MSG00012", (("missing", nearest),))

    def holds(self, supplier: Address, ssin: Ssin, asked: Period) -> bool:
        """Check 16, for one of those that answer the service."""
        if not self.rows:
            return True
        return any(
            row.kind == supplier.kind and row.ssin == ssin and row.quality != REPLACED and row.period.overlaps(asked)
            for row in self.rows
        )


def _any(rows: Iterable[Integration]) -> Authorisation:
    qualities = frozenset(row.quality for row in rows) - {REPLACED}
    return Authorisation(Address(0, 0), "", "", qualities or frozenset({ANY_QUALITY}))


def row_of(ssin: Ssin, kind: Address, quality: int, period: Period, replaced_by: Ssin | None) -> Integration:
    """A row of the double's person repertory."""
    row = Integration(ssin, kind, quality, None, period)
    return replace(row, quality=REPLACED, replaced_by=replaced_by) if replaced_by is not None else row
