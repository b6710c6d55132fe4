"""A file cut into forms byte for byte: the forms that lxml sees, whatever stands between and within them."""

import io
from collections.abc import Iterator
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from institutions.payroll import cutting
from institutions.payroll.check import Check, Employers, is_ssin
from institutions.payroll.cutting import Cut, Cutting, FileError
from schemas.declarations.forms import Forms
from schemas.declarations.writing import opening
from schemas.errors import CrossroadsError
from schemas.parser import Malformed, parse
from schemas.period import today
from schemas.ssin import Ssin, SsinError
from tests.institutions.nsso.risk_forms import incapacity
from tests.institutions.payroll.dimona_file import Plan
from tests.institutions.payroll.ground import OTHERS, OWN, SECOND

#: What may stand within a form and looks like its end, or like another.
WITHIN = (
    "text",
    "<a/>",
    "<FormCreationDate>x</FormCreationDate>",
    "<!-- </Form> -->",
    "<![CDATA[</Form><Form>]]>",
    "<?pi </Form>?>",
    "<Form>within</Form>",
    "<Form/>",
    "<b c='</Form' d='>'/>".replace("<", "&lt;", 2).replace("&lt;", "<", 1),
    "\n",
    "é€",
    "!?",
)
BETWEEN = ("", "\n", "  \r\n", "<!-- <Form></Form> -->", "<?pi <Form>?>", "\t<!---->\n")


@st.composite
def files(draw: st.DrawFn) -> str:
    forms = draw(st.lists(st.lists(st.sampled_from(WITHIN), max_size=4), min_size=1, max_size=5))
    text = draw(st.sampled_from(("", "\ufeff", "<!-- first -->\n", '<?xml version="1.0"?>\n')))
    text += draw(st.sampled_from(("<R>", '<R a="1"\n  b=">">', "<R\n>"))) + draw(st.sampled_from(BETWEEN))
    for form in forms:
        tags = draw(st.sampled_from((("<Form>", "</Form>"), ('<Form a="x">', "</Form >"), ("<Form\n>", "</Form>"))))
        text += tags[0] + "".join(form) + tags[1] + draw(st.sampled_from(BETWEEN))
    return text + draw(st.sampled_from(("</R>", "</R\n>\n", "</R><!-- last -->")))


def cut(body: bytes, chunk: int) -> tuple[Cutting, Iterator[Cut]]:
    stream = io.BytesIO(body)
    found = Cutting(lambda count: stream.read(min(count, chunk)))
    found.start = found.opening()  # type: ignore[attr-defined]
    return found, found.forms()


@given(files(), st.sampled_from((1, 2, 3, 7, 64, 100_000)))
def test_its_forms_are_those_that_lxml_sees_with_their_lines(text: str, chunk: int) -> None:
    body = text.encode()
    root = etree.fromstring(body)
    found, forms = cut(body, chunk)
    cuts = list(forms)
    elements = list(root.iterchildren("Form"))
    assert len(cuts) == len(elements)
    for one, element in zip(cuts, elements, strict=True):
        # Its bytes are a message of its own, which says the same.
        alone = etree.fromstring(found.start + one.form + found.closing)  # type: ignore[attr-defined]
        element.tail = alone[0].tail = None
        assert etree.tostring(alone[0], method="c14n") == etree.tostring(element, method="c14n")
        assert body.removeprefix(b"\xef\xbb\xbf")[: _place(body, one)].count(b"\n") == one.line - 1
        assert one.ends == one.form.count(b"\n")


def _place(body: bytes, one: Cut) -> int:
    """Where it stands: at its line, and equal to it; two equal forms on one line are as good as one."""
    lines = body.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    before = sum(len(line) + 1 for line in lines[: one.line - 1])
    at = body.removeprefix(b"\xef\xbb\xbf").find(one.form, before)
    assert at >= 0
    return at


@given(files(), st.integers(0, 10_000), st.sampled_from((1, 64, 100_000)))
def test_what_is_cut_off_is_never_taken_for_whole(text: str, left: int, chunk: int) -> None:
    body = text.rstrip().removesuffix("<!-- last -->").encode()
    body = body[: len(body) - 1 - left % len(body)]
    with pytest.raises((FileError, Malformed)):
        list(cut(body, chunk)[1])


def test_a_form_beyond_all_measure_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutting, "MAX_RECORD", 1_000)
    with pytest.raises(Malformed):
        list(cut(b"<R><Form>" + b"x" * 10_000 + b"</Form></R>", 256)[1])


FRAME = opening("Dimona_20231").encode() + b"\n", b"</Dimona>"


@pytest.fixture(scope="module")
def check() -> Check:
    return Check(Forms.from_environment().release_of(parse(b"".join(FRAME))), *FRAME)


@pytest.mark.parametrize(
    ("kind", "error_id", "tag"), [("schema", "00910-003", "StartingDate"), ("digits", "00024-004", "INSS")]
)
def test_what_is_wrong_is_told_with_place_and_code(check: Check, kind: str, error_id: str, tag: str) -> None:
    plan = Plan(1, (OWN,), OTHERS, wrong={kind: 1_000})
    form = plan.form(1).strip()
    [anomaly] = check.look(form.encode(), 101)
    assert (anomaly.error_id, anomaly.tag, anomaly.blocks) == (error_id, tag, True)
    assert f"<{tag}>" in form.splitlines()[cast(int, anomaly.line) - 101]
    assert anomaly.path == f"/Dimona/Form/DimonaIn/{'NaturalPerson/' if tag == 'INSS' else ''}{tag}"
    # A person's number is shown to who sends it alone.
    assert anomaly.value is None or anomaly.value not in repr(anomaly)


def number(name: str, value: str) -> bytes:
    """A right form with this number in it."""
    form = Plan(1, (OWN,), OTHERS, wrong={}).form(1)
    if name == "CompanyID":
        return form.replace("</NOSSRegistrationNbr>", f"</NOSSRegistrationNbr><CompanyID>{value}</CompanyID>").encode()
    if name == "DimonaPeriodId":
        begin, end = form.index("<DimonaIn>"), form.index("</DimonaIn>") + len("</DimonaIn>")
        cancel = f"<DimonaCancel><DimonaPeriodId>{value}</DimonaPeriodId></DimonaCancel>"
        return (form[:begin] + cancel + form[end:]).encode()
    return form.replace(OWN, value).encode()


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("NOSSRegistrationNbr", OWN, ()),
        ("NOSSRegistrationNbr", "00" + OWN, ()),
        ("NOSSRegistrationNbr", str(int(OWN) + 1), ("00011-004",)),
        ("CompanyID", "0206731645", ()),
        ("CompanyID", "206731645", ()),
        ("CompanyID", "0206731646", ("00014-004",)),
        ("DimonaPeriodId", "690000000060", ()),
        ("DimonaPeriodId", "690000000061", ("00913-004",)),
    ],
)
def test_check_digits_are_those_that_the_nsso_asks(check: Check, name: str, value: str, told: tuple[str, ...]) -> None:
    assert tuple(one.error_id for one in check.look(number(name, value), 1)) == told


@given(st.integers(0, 10**9 - 1), st.integers(-2, 2), st.sampled_from((0, 2 * 10**9)), st.sampled_from(("", " ", "٣")))
def test_a_number_of_a_person_is_judged_as_everywhere(nine: int, off: int, born: int, more: str) -> None:
    text = f"{nine:09d}{(97 - (nine + born) % 97 + off) % 100:02d}{more}"
    try:
        Ssin.parse(text)
    except SsinError:
        assert not is_ssin(text)
    else:
        assert is_ssin(text)


@pytest.mark.parametrize(
    ("own", "employer", "told"),
    [
        ([OWN], OWN, ()),
        ([OWN], SECOND, ("90256-155",)),
        (["0206731645"], SECOND, ()),  # by enterprise number alone nothing is known of an NSSO number
        ([OWN, "0206731645"], SECOND, ()),  # which may be the other's
    ],
)
def test_of_employers_that_are_not_the_senders_nothing_is_sent(
    own: list[str], employer: str, told: tuple[str, ...]
) -> None:
    release = Forms.from_environment().release_of(parse(b"".join(FRAME)))
    one = Check(release, *FRAME, Employers(own))
    assert tuple(a.error_id for a in one.look(number("NOSSRegistrationNbr", employer), 1)) == told


def test_what_is_named_beside_the_employer_is_nobodys_mandate() -> None:
    """The NSSO does not look at the number of a prevention service."""
    form = incapacity(OWN, Plan(1, (OWN,), OTHERS).ssin(1), today()).decode()
    named = "<CompanyID>0206731646</CompanyID><Denomination>synthetic</Denomination>"
    service = f"<PreventionService>{named}</PreventionService>"
    opening, _, rest = form.partition("<Form>")
    inside, closing = "<Form>" + rest.rpartition("</Form>")[0] + "</Form>", b"</ZIMA001>"
    release = Forms.from_environment().release_of(parse(form.encode()))
    with_service = inside.replace("<EmployerDeclaration>", service + "<EmployerDeclaration>", 1)
    for own in (None, Employers(["0206731645"])):
        assert Check(release, opening.encode(), closing, own).look(with_service.encode(), 1) == ()
    wrong = with_service.replace("<CompanyID>0</CompanyID>", "<CompanyID>0206731646</CompanyID>")
    [anomaly] = Check(release, opening.encode(), closing).look(wrong.encode(), 1)
    assert (anomaly.error_id, anomaly.path) == ("00014-004", "/ZIMA001/Form/EmployerDeclaration/CompanyID")


def test_employers_are_read_from_a_list(tmp_path) -> None:
    file = tmp_path / "employers.csv"
    file.write_text(f"nsso,name\n{OWN},A\n\n0206731645 # B\n")
    assert Employers.read(file).knows(OWN, None)
    file.write_text(f"{OWN}\n123456789\n")
    with pytest.raises(CrossroadsError, match=r"employers.csv:2: neither"):
        Employers.read(file)
