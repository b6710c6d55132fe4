"""Declarations that are larger than memory: checked record by record, with the same verdicts."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from lxml import etree

from schemas.declarations.form import Form
from schemas.declarations.forms import Forms, checked, records, shipped
from schemas.declarations.stream import MAX_RECORD, StreamError
from schemas.parser import Malformed, parse
from schemas.violation import Violation

FORMS = Forms([shipped()])


def in_pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


def found(body: bytes, size: int = 1000, forms: Forms = FORMS) -> list[Violation]:
    return list(checked(forms, in_pieces(body, size)))


ROOT = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema"><xs:element name="Own"><xs:complexType>{}'
    "</xs:complexType>{}</xs:element></xs:schema>"
)
FORM = (
    '<xs:element name="Form" {}><xs:complexType><xs:sequence><xs:element name="n" type="xs:integer"/>'
    "</xs:sequence></xs:complexType></xs:element>"
)
FORMS_ONLY = f"<xs:sequence>{FORM.format('maxOccurs=' + chr(34) + 'unbounded' + chr(34))}</xs:sequence>"


def own(folder: Path, content: str, after: str = "") -> Forms:
    (folder / "own.xsd").write_text(ROOT.format(content, after))
    (folder / "form.toml").write_text(
        'name = "Own"\nidentification = "OWN"\nflow = {sender = "a", receiver = "b"}\n'
        'releases = [{valid_from = "2023/1", schema = "own.xsd", root = "Own"}]\n'
    )
    return Forms([folder])


def good(n: int | str = 1) -> str:
    return f"<Form><n>{n}</n></Form>"


BAD = good("x")
CASES = {
    "right": "<Own>{good}{good}{good}</Own>",
    "wrong records among right ones": "<Own>\n{good}\n{bad}\n{good}{bad}\n{bad}{good}</Own>",
    "nothing": "<Own/>",
    "nothing but space": "<Own>\n</Own>",
    "an unknown record": "<Own>{good}<Other/></Own>",
    "an attribute of the root": "<Own a='1'>{good}{good}</Own>",
    "text between": "<Own>{good}text{good}</Own>",
    "text before": "<Own>text{good}{good}</Own>",
    "comments and instructions": "<Own><!-- a -->{good}<?pi x?>\n<!-- b -->{bad}<!-- c --></Own>",
    "in another namespace": "<Own><Form xmlns='urn:x'><n>1</n></Form>{good}</Own>",
    "a record in a record": "<Own><Form><Form/></Form>{good}</Own>",
    "the root in the root": "<Own>{good}<Own/></Own>",
}


@pytest.mark.parametrize("body", CASES.values(), ids=CASES)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_file_in_pieces_is_told_what_the_whole_is_told(tmp_path: Path, body: str, size: int) -> None:
    forms = own(tmp_path, FORMS_ONLY)
    message = body.format(good=good(), bad=BAD).encode()
    whole = forms.violations(message)[1]

    def unindexed(violations: Iterable[Violation]) -> set[tuple[int, str, str]]:
        return {(v.line, v.path.replace("[1]", ""), v.reason) for v in violations}

    assert unindexed(found(message, size, forms)) == unindexed(whole)


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("check", [True, False])
def test_records_come_whole_and_may_be_kept(tmp_path: Path, size: int, check: bool) -> None:
    body = f"<Own>\n{good(1)}<!-- c -->\n{BAD}\n\n{good(3)} {good(4)}</Own>".encode()
    kept = []
    for record in records(own(tmp_path, FORMS_ONLY), in_pieces(body, size), check=check):
        assert record.element is not None
        above = record.element.getparent()
        assert above is not None
        assert [child.tag for child in above] == ["Form"]
        etree.Element("Kept").append(record.element)
        kept.append(record)
    assert [one.element.findtext("n") for one in kept if one.element is not None] == ["1", "x", "3", "4"]
    assert [one.line for one in kept] == [2, 3, 5, 5]
    assert [bool(one.violations) for one in kept] == [False, check, False, False]


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize("body", ["<Own>{0}text{0}</Own>", "<Own>text{0}{0}</Own>", "<Own>{0}{0}text</Own>"])
def test_text_beside_the_records_is_the_wholes(tmp_path: Path, body: str, check: bool) -> None:
    found = list(records(own(tmp_path, FORMS_ONLY), [body.format(good()).encode()], check=check))
    assert [one.element is None for one in found] == [False, False, True]
    assert {one.path for one in found[-1].violations} == {"/Own"}


def test_each_record_is_looked_at_behind_one_that_is_not_known(tmp_path: Path) -> None:
    forms = own(tmp_path, FORMS_ONLY)
    message = f"<Own>{good()}<Other/>\n{BAD}\n{good()}{BAD}</Own>".encode()
    assert [(v.line, v.path) for v in found(message, 10, forms)] == [
        (1, "/Own/Other[1]"),
        (2, "/Own/Form[2]/n"),
        (3, "/Own/Form[4]/n"),
    ]


HEADED = '<xs:sequence><xs:element name="H" type="xs:date"/>{}<xs:element name="T" minOccurs="0"/></xs:sequence>'
THREE = HEADED.format(FORM.format('maxOccurs="3" minOccurs="0"'))


@pytest.mark.parametrize(
    ("body", "paths"),
    [
        ("<H>2023-01-01</H>{good}{good}{good}<T/>", []),
        ("<H>2023-01-01</H>", []),
        ("<H>2023-01-01</H>{good}{good}{good}{good}<T/>", ["/Own/Form[4]"]),
        ("<H>x</H>{good}{bad}", ["/Own/H[1]", "/Own/Form[2]/n"]),
        ("<H>2023-01-01</H>{good}<T/>{good}", ["/Own/Form[2]"]),
        ("<H>2023-01-01</H>{good}<H>2023-01-01</H>{bad}", ["/Own/H[2]", "/Own/Form[2]/n"]),
        ("", ["/Own"]),
    ],
)
def test_what_stands_beside_the_records_is_checked_in_its_place(tmp_path: Path, body: str, paths: list[str]) -> None:
    message = f"<Own>{body.format(good=good(), bad=BAD)}</Own>".encode()
    assert [violation.path for violation in found(message, 9, own(tmp_path, THREE))] == paths


IDENTIFIED = FORMS_ONLY.replace("</xs:sequence></xs:complexType>", "</xs:sequence>{}</xs:complexType>")


@pytest.mark.parametrize(
    ("content", "after"),
    [
        (f'<xs:sequence maxOccurs="2">{FORM.format("")}<xs:element name="T"/></xs:sequence>', ""),
        ('<xs:sequence><xs:any maxOccurs="unbounded" processContents="lax"/></xs:sequence>', ""),
        (FORMS_ONLY, '<xs:unique name="u"><xs:selector xpath="Form"/><xs:field xpath="n"/></xs:unique>'),
        (IDENTIFIED.format('<xs:attribute name="i" type="xs:ID"/>'), ""),
    ],
    ids=["groups", "a wildcard", "a rule over all records", "an ID"],
)
def test_a_root_of_which_a_record_alone_cannot_be_judged_is_refused(tmp_path: Path, content: str, after: str) -> None:
    forms = own(tmp_path, content, after)
    assert forms.violations(b"<Own/>")[1] != ()
    with pytest.raises(StreamError, match="record by record"):
        found(b"<Own/>", 10, forms)


@pytest.mark.parametrize("form", FORMS.forms.values(), ids=lambda form: form.name)
def test_every_shipped_form_can_be_read_record_by_record(form: Form) -> None:
    for release in form.releases:
        body = f"<{release.root}>" + "<Nothing/>" * 3 + f"</{release.root}>"
        assert [violation.path for violation in found(body.encode(), 20)] == [
            *(f"/{release.root}/Nothing[{number}]" for number in (1, 2, 3)),
            f"/{release.root}",
        ]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<!DOCTYPE ACRF><ACRF></ACRF>", "CRB00004"),
        (b"<ACRF><Form>", "CRB00003"),
        (b"<ACRF></Form></ACRF>", "CRB00003"),
        (b"", "CRB00003"),
        (b"no message", "CRB00003"),
        (b'<?xml version="1.0" encoding="latin-1"?><ACRF/>', "CRB00002"),
        (b"<ACRF>" + b" " * 50 + b"\xff</ACRF>", "CRB00002"),
        (b"<ACRF>" + b" " * 50 + b"\0</ACRF>", "CRB00003"),
    ],
)
@pytest.mark.parametrize("size", [1, 40, 1000])
def test_what_is_no_message_is_refused_as_when_it_is_read_whole(body: bytes, code: str, size: int) -> None:
    with pytest.raises(Malformed, match=code):
        found(body, size)
    with pytest.raises(Malformed, match=code):
        parse(body)


def test_a_record_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    most = MAX_RECORD // 32
    monkeypatch.setattr("schemas.declarations.forms.MAX_RECORD", most)

    def endless() -> Iterator[bytes]:
        yield b"<ACRF><Form>"
        while True:
            yield b"<a/>" * 16_384

    with pytest.raises(Malformed, match=f"CRB00001.*{most}"):
        list(checked(FORMS, endless()))


def test_a_root_that_does_not_begin_is_given_up() -> None:
    with pytest.raises(Malformed, match=r"CRB00004.*root's start tag"):
        list(checked(FORMS, iter([b"<ACRF ", *[b" " * 65_536] * 20])))


def test_the_first_piece_may_be_large() -> None:
    body = b"<ACRF>" + (b"<!--" + b" " * 10_000 + b"-->") * 200 + b"</ACRF>"
    assert [violation.path for violation in found(body, len(body))] == ["/ACRF"]


POISONED = """
import random, re, sys
from pathlib import Path
from schemas.declarations.forms import Forms, checked
forms = Forms([Path(sys.argv[1])])
alphabet = [
    "<Form><n>1</n></Form>", "<Form><n>x</n></Form>", "<Form xmlns:a='urn:a' a:b='c'><n>2</n></Form>", "<!-- c -->",
    "<?p i?>", "\\n", " text ", "<Other a='1'>text</Other>", "<b:Form xmlns:b='urn:b'><b:n/></b:Form>", "<Own/>",
    "<Form><n>" + "7" * 300 + "</n></Form>", "<![CDATA[ ]]>", "&#32;", "<Form/>",
]
def told(violations):
    return {(v.line, re.sub(r"\\[[0-9]+\\]", "", v.path), v.reason.partition(",")[0]) for v in violations}
for seed in range(300):
    choose = random.Random(seed)
    body = ("<Own xmlns:b='urn:b'>" + "".join(choose.choices(alphabet, k=12)) + "</Own>").encode()
    ends = sorted(choose.choices(range(len(body)), k=choose.randint(1, len(body))))
    pieces = [body[start:end] for start, end in zip([0, *ends], [*ends, len(body)]) if start < end]
    whole = told(forms.violations(body)[1])
    # Behind what libxml2 does not expect it looks at nothing, and of each record the stream is told.
    missed = whole - told(checked(forms, pieces))
    assert not missed, (seed, len(missed))
"""


def test_memory_that_libxml2_still_writes_to_is_left_alone(tmp_path: Path) -> None:
    """What is freed is overwritten at once, so that who reads or writes it later falls or says something else."""
    own(tmp_path, FORMS_ONLY)
    poison = {"MALLOC_PERTURB_": "165", "PYTHONMALLOC": "malloc"}
    subprocess.run([sys.executable, "-c", POISONED, str(tmp_path)], env=os.environ | poison, check=True)


MEASURED = """
import resource, sys
from pathlib import Path
from schemas.declarations.forms import Forms, checked
def chunks(megabytes):
    yield b"<Own>"
    piece = b"<Form><n>12345678901234567890</n></Form>" * 1600 + b"\\n"
    for _ in range(megabytes * 1_048_576 // len(piece)):
        yield piece
    yield b"<Form><n>x</n></Form></Own>"
found = list(checked(Forms([Path(sys.argv[1])]), chunks(int(sys.argv[2]))))
print(len(found), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_is_flat_however_large_the_file_is(tmp_path: Path) -> None:
    own(tmp_path, FORMS_ONLY)
    peaks = []
    for megabytes in (2, 20):
        said = subprocess.run(
            [sys.executable, "-c", MEASURED, str(tmp_path), str(megabytes)], capture_output=True, check=True, text=True
        )
        wrong, peak = said.stdout.split()
        assert wrong == "1"
        peaks.append(int(peak))
    # KiB; a tree of 20 MB of such records takes some 200 MB.
    assert peaks[1] - peaks[0] < 4_096, peaks
