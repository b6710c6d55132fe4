"""What of a submission can be seen without knowing anything else: is it a form, which, and what does its schema say."""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import cast

from lxml import etree

from institutions.nsso import dimona
from institutions.nsso.dimona import Dimona
from institutions.nsso.submission import Submission
from schemas.declarations import large
from schemas.declarations.anomaly import Anomaly, of_violation
from schemas.declarations.form import FormError
from schemas.declarations.forms import Forms
from schemas.declarations.head import Head
from schemas.declarations.personnel_file import Question
from schemas.parser import MAX_ONLINE, Malformed, parse
from schemas.ssin import Ssin

#: What senders may send and is handled in groups: by root, which is also the name of the form. What is handled alone
#: is in `clerks.CLERKS`.
DIMONA, QUESTION = "Dimona", "PersonnelFileConsultationRequest"
GROUPED = (DIMONA, QUESTION)
_TOO_LARGE = "CRB00001"
#: 80,000 elements.
_ROOM = 4 * MAX_ONLINE


@dataclass(slots=True)
class Read:
    """A submission as read."""

    submission: Submission = field(repr=False)
    sha256: bytes = field(repr=False, default=b"")
    #: What it is instead of a form, code of an ACRF: 102, 184; or what comes behind the look at its sender.
    no_xml: str = ""
    no_form: str = ""
    form: etree._Element | None = field(repr=False, default=None)
    #: Its root, which is the name of its kind; empty where there is no form.
    kind: str = ""
    head: Head = field(default_factory=lambda: Head({}))
    #: What its schema refuses, with places.
    broken: tuple[Anomaly, ...] = field(repr=False, default=())
    dimona: Dimona | None = field(repr=False, default=None)
    question: Question | None = field(repr=False, default=None)

    @property
    def shift(self) -> int:
        """How many lines further a line stands in the sender's own file."""
        if self.submission.file is None or self.form is None:
            return 0
        return self.submission.file.line - cast(int, self.form.sourceline)

    @property
    def number(self) -> int | None:
        """The worker's, as the form names it."""
        ssin = None if self.dimona is None else self.dimona.ssin
        return None if ssin is None else ssin.number

    def under(self, newer: Mapping[int, int]) -> "Read":
        """As if it named the number that took the place of the one it names."""
        newest = None if self.number is None else newer.get(self.number)
        if self.dimona is None or newest is None:
            return self
        return replace(self, dimona=replace(self.dimona, inss=Ssin.from_number(newest).digits))

    def placed(self, anomaly: Anomaly) -> Anomaly:
        """With line and path."""
        assert self.form is not None  # noqa: S101 - only of a form
        return anomaly.at(self.form, self.shift)


def root_of(body: bytes) -> etree._Element:
    """Of a form on line: 1 MiB at most, as everywhere, with as many elements as a quarter's many short ones have in it.
    Raises Malformed."""
    if len(body) > MAX_ONLINE:
        raise Malformed(_TOO_LARGE, (("bytes", str(len(body))), ("limit", str(MAX_ONLINE))))
    return parse(body, limit=_ROOM)


def read(submission: Submission, forms: Forms, alone: Container[str] = ()) -> Read:
    """Never raises for what a sender wrote. `alone`: kinds that are taken besides those that are handled in groups."""
    found = Read(submission, sha256(submission.body).digest())
    root = submission.root
    if root is None:
        try:
            root = root_of(submission.body)
        except Malformed as error:
            found.no_xml = "184" if error.code == _TOO_LARGE else "102"
            return found
    if not forms.knows(root):
        found.no_form = "089"
        return found
    try:
        release = forms.release_of(root)
    except FormError:
        found.no_form = "088"
        return found
    records = list(root.iterchildren("Form"))
    if release.form not in GROUPED and release.form not in alone:
        found.no_form = "158"
    elif len(records) != 1:
        found.no_form = "172" if records else "142"
    if found.no_form:
        return found
    found.form, found.kind = (form := records[0]), release.form
    found.head = Head.of(form)
    if len(submission.body) <= MAX_ONLINE:
        violations = release.violations_of(root)
    else:
        violations = large.violations_of(release, root, submission.body)
    found.broken = tuple(of_violation(release, one, root, found.shift) for one in violations)
    if violations:
        return found
    if release.form == QUESTION:
        found.question = Question.of(form)
        return found
    if release.form != DIMONA:
        return found
    said = dimona.read(form)
    if isinstance(said, Anomaly):
        found.broken = (found.placed(said),)
    else:
        found.dimona = said
    return found
