"""A form of many mebibytes that breaks its schema in very many places is told as a small one, and costs no more."""

from collections.abc import Callable

import pytest
from lxml import etree

from institutions.nsso.reading_form import read
from schemas.declarations import large
from schemas.declarations.form import Release
from schemas.declarations.forms import Forms, shipped
from schemas.parser import MAX_ONLINE, parse
from tests.institutions.nsso.dmfa_forms import Line, Quarter
from tests.institutions.nsso.ground import person, submission

FORMS = Forms([shipped()])
MANY = 2 * large.SIBLINGS
WHO = person(1)


def form(wrong: range, persons: int = MANY) -> bytes:
    """A quarter of so many persons, of whom these (from 0) have no number that can be one."""
    given = tuple((f"x{place}" if place in wrong else WHO, (Line(),)) for place in range(persons))
    return Quarter(given).xml.replace(b"<NaturalPerson>", b"\n<NaturalPerson>")


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of each look that says where what is wrong is, how many persons it was at."""
    found: list[int] = []
    whole: Callable[..., object] = Release.violations_of

    def looked(release: Release, root: etree._Element) -> object:
        found.append(int(root.xpath("count(//NaturalPerson)")))
        return whole(release, root)

    monkeypatch.setattr(Release, "violations_of", looked)
    return found


@pytest.mark.parametrize(
    ("wrong", "looks"),
    [
        pytest.param(range(0), [], id="right"),
        pytest.param(range(MANY - 3, MANY), [MANY], id="few at its end"),
        pytest.param(range(MANY), [large.SIBLINGS], id="all"),
        pytest.param(range(40, MANY), [large.SIBLINGS], id="nearly all"),
    ],
)
def test_what_is_told_is_what_is_told_of_any_form_and_it_stays_as_it_was(wrong, looks, seen) -> None:
    body = form(wrong)
    root = parse(body, limit=1 << 30)
    release = FORMS.release_of(root)
    wanted = release.violations_of(root)
    assert len(wanted) == min(30, len(wrong))
    written, lines = etree.tostring(root), [one.sourceline for one in root.iter("NaturalPerson")]
    seen.clear()
    assert large.violations_of(release, root, body) == wanted
    assert seen == looks
    assert etree.tostring(root) == written
    assert [one.sourceline for one in root.iter("NaturalPerson")] == lines


def test_of_very_many_beyond_the_first_one_is_told_without_its_place(seen) -> None:
    body = form(range(large.SIBLINGS, MANY))
    root = parse(body, limit=1 << 30)
    (told,) = large.violations_of(FORMS.release_of(root), root, body)
    assert told.path == "/DmfAOriginal"
    assert seen == [large.SIBLINGS]


def test_a_form_over_a_mebibyte_is_read_so(seen) -> None:
    """Of one in a file whose places are all wrong."""
    body = form(range(MANY), MANY)
    assert len(body) > MAX_ONLINE
    given = submission(body)
    root = parse(body, limit=1 << 30)
    found = read(type(given)(given.sender, given.key, body, given.received, root=root), FORMS, ("DmfAOriginal",))
    assert {one.zone for one in found.broken} == {"00024"}
    assert len(found.broken) == 30
    assert seen == [large.SIBLINGS]
