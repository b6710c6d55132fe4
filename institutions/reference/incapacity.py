"""What a mutuality (11-1) does when it is told of a risk: it opens a dossier, asks the NSSO for wages, pays.

docs/declarations.md, "Risks". Nobody asks the employer. In memory: in the reference network it begins anew with its
process, and is told everything again.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from lxml import etree

from institutions.answer import Answer
from institutions.errors import InstitutionError
from institutions.institution import Institution
from institutions.request import Content
from institutions.word import Unprocessable, Word
from schemas.message import find_all, text_at
from schemas.period import Period
from schemas.ssin import Ssin

TELLS, WAGES = "RiskMutation/1", "DmfaAttestation/1"
REGISTERS, UNREGISTERS = "RegisterIntegration/1", "UnregisterIntegration/1"
#: Legal contexts: wages open with the dossier, the dossier with the insurance.
INCAPACITY, INSURABILITY = "HEALTHINSURANCE:INCAPACITY", "HEALTHINSURANCE:INSURABILITY"
#: Quality of sector 11: a dossier of incapacity.
DOSSIER = 2
#: How far back wages count, and which part of them is paid: ours.
_HISTORY = timedelta(days=365)
_SHARE = Decimal("0.60")
#: Ordinary wages, and days worked.
_WAGES = _DAYS = "001"
_ONE_DAY = timedelta(days=1)
#: S607: the period of the quality.
_OF_THE_QUALITY = 6
#: Refusals that come again however often one asks.
_FINAL = ("MSG00005", "MSG00006", "MSG00008", "MSG00011", "MSG00012", "MSG00013", "CRB00015")
_NONE = ("MSG00100", "MSG00021")


class NotNow(InstitutionError):  # noqa: N818  what it says
    """What was asked is not there now; it is asked again with the same word."""


@dataclass(frozen=True, slots=True)
class Insured:
    """What a mutuality has on paper of one it insures: enough to prove whom it means."""

    last_name: str = field(repr=False)
    #: `1985-07-30`, or as much of it as is known: `1985-00-00`.
    born: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Dossier:
    """An incapacity that is paid."""

    person: Ssin = field(repr=False)
    starts: date
    #: The day on which work is taken up again.
    recovers: date | None
    #: Euro a day; None: nothing was declared that it could follow from.
    daily: Decimal | None


class Incapacity:
    """At one mutuality. `insured`: whom it has on paper."""

    def __init__(self, me: Institution, insured: Callable[[Ssin], Insured | None]) -> None:
        self._me, self._insured = me, insured
        #: By the reference under which they are told.
        self.dossiers: dict[str, Dossier] = {}
        me.receives(TELLS)(self.take)

    async def take(self, word: Word) -> None:
        """Its dossier is as the word says when it returns. `Unprocessable`: it will never be."""
        says, person, starts = word.says, word.ssin, word.day("risk/startingDate")
        if starts is None:
            raise Unprocessable
        known = self.dossiers.pop(says.reference, None)
        if says.action == "CANCELLED":
            await self._close(person, starts)
            return
        recovers = word.day("risk/recoveryDate")
        kept = None if known is None else known.daily
        found = self.dossiers[says.reference] = Dossier(person, starts, recovers, kept)
        end = None if recovers is None else recovers - _ONE_DAY
        await self._says(REGISTERS, person, {"criteria/qualityCode": DOSSIER, **_days(Period(starts, end))}, ())
        if recovers is not None:
            await self._close(person, recovers)
        if says.action != "STOPPED" or known is None:
            self.dossiers[says.reference] = replace(found, daily=await self._daily(person, starts))

    async def _close(self, person: Ssin, begin: date) -> None:
        """From this day on there is no dossier, but for the days that another one has."""
        for days in _without(begin, (one for one in self.dossiers.values() if one.person == person)):
            criteria = {"criteria/situation": _OF_THE_QUALITY, "criteria/qualityCode": DOSSIER, **_days(days)}
            await self._says(UNREGISTERS, person, criteria, ("MSG00100",))

    async def _says(
        self, service: str, person: Ssin, criteria: Mapping[str, Content | etree._Element], also: tuple[str, ...]
    ) -> None:
        insured = self._insured(person)
        if insured is None:
            raise Unprocessable
        path = "criteria/proofOfAuthentication/personData"
        proof = {f"{path}/lastName": insured.last_name, f"{path}/birthDate": insured.born}
        answer = await self._me.consult(
            service, ssin=person, legal_context=INSURABILITY, criteria={**criteria, **proof}
        )
        if not answer.found and answer.code not in also:
            _refused(answer)

    async def _daily(self, person: Ssin, starts: date) -> Decimal | None:
        """From what employers declared of the year up to the first day."""
        asked = Period(starts - _HISTORY, starts)
        answer = await self._me.consult(WAGES, ssin=person, legal_context=INCAPACITY, period=asked)
        if answer.code in _NONE:
            return None
        if not answer.found:
            _refused(answer)
        return daily(find_all(answer.root, "attestation"))


def daily(attestations: Iterable[etree._Element]) -> Decimal | None:
    """Euro a day of what was earned a day; None where no day was worked."""
    cents = days = 0
    for occupation in (one for attestation in attestations for one in find_all(attestation, "record/occupation")):
        cents += sum(_amounts(occupation, "remuneration", _WAGES, "amount"))
        days += sum(_amounts(occupation, "service", _DAYS, "days"))
    # Cents by hundredths of a day: a hundred cents a euro takes the hundred out again.
    return None if not days else (Decimal(cents) / days * _SHARE).quantize(Decimal("0.01"), ROUND_HALF_UP)


def _amounts(occupation: etree._Element, block: str, code: str, name: str) -> Iterable[int]:
    return (int(text_at(one, name) or 0) for one in find_all(occupation, block) if text_at(one, "code") == code)


def _days(period: Period) -> dict[str, Content | etree._Element]:
    found: dict[str, Content | etree._Element] = {"criteria/period/beginDate": period.begin}
    if period.end is not None:
        found["criteria/period/endDate"] = period.end
    return found


def _without(begin: date, dossiers: Iterable[Dossier]) -> Iterable[Period]:
    """The days from one on that no dossier has."""
    for one in sorted(dossiers, key=lambda one: one.starts):
        if one.recovers is not None and one.recovers <= begin:
            continue
        if one.starts > begin:
            yield Period(begin, one.starts - _ONE_DAY)
        if one.recovers is None:
            return
        begin = one.recovers
    yield Period(begin, None)


def _refused(answer: Answer) -> None:
    if answer.code in _FINAL:
        raise Unprocessable
    raise NotNow(f"answered {answer.code}; asked again with the same word")
