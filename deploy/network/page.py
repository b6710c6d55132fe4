"""docs/reference-network.md, made from the rules files: who is there, who holds what, who may ask what.

`python -m deploy.network.page` writes it; a test keeps it true.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from deploy.network import FILES, SENDERS
from hub.repertory.files import read
from hub.repertory.rules import Authorisation, Distribution, Rules
from institutions.nsso.register_files import read as read_register
from schemas.address import Address
from schemas.catalogue import Catalogue, shipped
from schemas.period import Period
from schemas.sectors import qualities_of

PAGE = Path(__file__).parents[2] / "docs" / "reference-network.md"

_INTRODUCTION = """\
# The reference network

A network of Belgium to try Crossroads with: `crossroads up` and `crossroads demo` run it. Made from the rules files in
`deploy/network/` by `python -m deploy.network.page`; change those, not this page.

Nothing in it is real. Sectors, institution types and quality codes are the official ones; enterprise numbers are
invented (19, sector, type, ordinal, check number), so are the members of the secondary networks, every deliberation and
every person.

## The population

`institutions.reference.population.Population(seed=2026, size=1000)`: persons in households, each a pure function of
seed and index, up to eleven million. What the suppliers answer and who is known where follow from the same lives, so
that nobody is paid a pension and an unemployment benefit for the same day. Persons in a situation worth asking about
stand at the same places in every thousand: `population.examples.pensioner`, `.known_to_pcsw_a_only`,
`.at_two_mutualities` and so on (all: `institutions/reference/scenarios.py`); `.replaced` is an old number and the new
one, `.nobody` a number that PCSW A has integrated and nobody has (MSG00005). Whoever has or had a bis number is in the
registers of 25-0, a database of its own (`docs/numbers.md`); the others are the National Register's, 0-0.
"""


def page(rules: Rules, catalogue: Catalogue) -> str:
    """The whole page."""
    return "\n".join(
        (
            _INTRODUCTION,
            *_institutions(rules),
            *_services(rules, catalogue),
            *_rights(rules),
            *_changes(rules),
            *_senders(),
        )
    )


def _institutions(rules: Rules) -> Iterator[str]:
    yield "## Who is there\n"
    yield from _row("address", "enterprise number", "name", "connected to")
    yield from _line(4)
    for one in rules.institutions.values():
        connected = f"{one.managed_by}, `secondary-{one.managed_by.sector}`" if one.managed_by else "the hub"
        yield from _row(f"`{one.address}`", one.cbe, one.name, connected if one.active else "nobody: inactive")
    yield ""


def _services(rules: Rules, catalogue: Catalogue) -> Iterator[str]:
    yield "## Who holds what\n"
    yield "Of persons known in one of these qualities. *Period*: it must lie within the asker's own, or overlap it.\n"
    yield from _row("service", "holder", "qualities", "period", "the dead")
    yield from _line(5)
    for name, service in sorted(catalogue.services.items()):
        if service.answered_by == "hub":
            yield from _row(name, "the hub itself", "", "", "as the living")
        for holder in rules.holders(name):
            held = [row.quality for row in rules.available(name) if row.address == holder]
            known = "everybody" if None in held else _qualities(holder, (q for q in held if q is not None))
            asked = rules.asked_as(holder)
            relay = f" (relay of `{asked}`)" if asked != holder else ""
            deceased = "MSG00009" if service.deceased == "refuse" else "as the living"
            yield from _row(name, f"`{holder}`{relay}", known, service.period_rule, deceased)
    yield ""


def _rights(rules: Rules) -> Iterator[str]:
    yield "## Who may ask what\n"
    yield "Everything else is refused with MSG00013.\n"
    for customer in dict.fromkeys(row.customer for row in sorted(rules.authorisations, key=lambda row: row.customer)):
        yield f"### `{customer}`\n"
        yield from _row("id", "legal context", "service", "qualities", "without", "deliberation")
        yield from _line(6)
        for row in rules.rights(customer):
            without = "<br>".join(f"`{path}`" for path in row.without)
            yield from _row(row.id, f"`{row.legal_context}`", row.service, _needed(row), without, _deliberation(row))
        yield ""


def _changes(rules: Rules) -> Iterator[str]:
    yield "## Who is told of changes\n"
    yield "The distribution table (`docs/distribution.md`).\n"
    yield from _row("service", "recipient", "knows the person", "codes", "dossiers", "without", "deliberation")
    yield from _line(7)
    for row in rules.distributions:
        without = ", ".join(f"`{path}`" for path in row.without)
        known = "everybody" if row.everybody else _qualities(row.recipient, row.qualities)
        codes = ", ".join(sorted(row.codes)) or "all"
        yield from _row(row.service, f"`{row.recipient}`", known, codes, row.dossiers, without, _deliberation(row))
    yield ""


def _senders() -> Iterator[str]:
    register = read_register(SENDERS)
    yield "## Who declares\n"
    yield "Senders of `deploy/network/senders.toml`, to 12-0 in `secondary-12` (`docs/declarations.md`).\n"
    yield from _row(
        "sender", "name", "language", "employers it has a mandate for: NSSO number, enterprise number, days"
    )
    yield from _line(4)
    companies = {employer.nsso: employer.company for employer in register.employers}
    for one in register.senders:
        name = one.name if one.active else f"{one.name}: inactive"
        mandates = (
            f"{m.employer} {companies.get(m.employer) or ''} {_days(m.period)}"
            for m in register.mandates
            if m.sender == one.number
        )
        yield from _row(f"`{one.number}`", name, one.language, "; ".join(mandates))
    yield ""


def _days(period: Period) -> str:
    return f"from {period.begin}" + (f" to {period.end}" if period.end is not None else "")


def _needed(row: Authorisation) -> str:
    known = _qualities(row.customer, row.qualities)
    return known if row.min_phase is None else f"{known}, from phase {row.min_phase}"


def _qualities(kind: Address, qualities: Iterable[int]) -> str:
    names = qualities_of(kind.sector)
    numbers = sorted(set(qualities))
    if len(numbers) == 1:
        return f"{numbers[0]} {names[numbers[0]].name_fr.lower()}"
    return ", ".join(map(str, numbers))


def _deliberation(row: Authorisation | Distribution) -> str:
    told = f"{row.deliberation.number} of {row.deliberation.decided}"
    if row.deliberation.changes:
        told += ", changed " + ", ".join(map(str, row.deliberation.changes))
    return told if row.valid.end is None else f"{told}; ended {row.valid.end}"


def _row(*cells: str) -> Iterator[str]:
    yield f"| {' | '.join(cells)} |"


def _line(columns: int) -> Iterator[str]:
    yield "|" + "---|" * columns


if __name__ == "__main__":
    catalogue = Catalogue([shipped()])
    PAGE.write_text(page(read(FILES, catalogue), catalogue), encoding="utf-8")
