"""The schemas over HTTP: pages and downloads.

| path | |
|---|---|
| `/schemas/` | forms and releases |
| `/schemas/Dimona_20231` | a release: its elements, zones and limits |
| `/schemas/Dimona_20231.xsd` | its XSD, as messages name it |
| `/schemas/Dimona_20231/changes` | what changed since the release before |
| `/schemas/zones/`, `/schemas/zones/00024` | the glossary |
| `/ready` | 200 as soon as it answers at all |
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus

from schemas.declarations import page
from schemas.declarations.form import Form, FormError, Release
from schemas.declarations.forms import Forms
from schemas.declarations.glossary import Zone, elements, glossary
from schemas.declarations.notes import between_releases
from schemas.declarations.page import Link
from schemas.declarations.texts import LANGUAGES
from schemas.errors import CrossroadsError
from schemas.folders import Change
from schemas.process.http import Answer

ROOT = "/schemas/"
_ZONES = ROOT + "zones/"
_RELEASE = re.compile(r"/schemas/(?P<label>[A-Za-z0-9_-]+_[0-9]{5})(?P<what>|\.xsd|/changes)")
_ZONE = re.compile(r"/schemas/zones/(?P<number>[0-9]{5})")


class Site:
    """Answers for the paths above; pages are made when first asked for, and again when a folder changed.

    `on_change` is told what a look at the folders found, in another thread.
    """

    def __init__(self, forms: Forms, on_change: Callable[[Change], None] = lambda _: None) -> None:
        self._forms, self._on_change = forms, on_change
        #: by path; of a release by the one path it is known by, however it was asked for: there are only so many
        self._made: dict[str, Answer] = {}
        self._zones: Mapping[str, Zone] | None = None
        self._one = asyncio.Lock()  # a compiled schema is not for two threads at once

    async def answer(self, path: str) -> Answer:
        """What a path has to say; never raises what a folder has wrong."""
        async with self._one:
            return await asyncio.to_thread(self._answer, path)

    def _answer(self, path: str) -> Answer:
        if path == "/ready":
            return Answer(b'{"ready": true}')
        if changes := self._forms.refresh():
            self._made.clear()
            self._zones = None
            for change in changes:
                self._on_change(change)
        try:
            return self._page(path)
        except FormError as error:
            return _missing(str(error))
        except (CrossroadsError, OSError) as error:
            said = page.document("This schema cannot be shown", page.paragraph(str(error)))
            return _html(said, HTTPStatus.INTERNAL_SERVER_ERROR)

    def _page(self, path: str) -> Answer:
        if path in ("/", "/schemas", ROOT):
            return self._once(ROOT, self._index)
        if path in (_ZONES, _ZONES.rstrip("/")):
            return self._once(_ZONES, self._all_zones)
        if (found := _ZONE.fullmatch(path)) is not None:
            one = self._glossary().get(found["number"])
            return _missing("No schema has a zone of this number.") if one is None else _html(of_zone(one))
        if (found := _RELEASE.fullmatch(path)) is None:
            return _missing("There is no such page.")
        release = self._forms.named(found["label"])
        form, own = self._forms.forms[release.form], ROOT + release.label
        if found["what"] == ".xsd":
            return Answer((release.folder / release.schema).read_bytes(), "application/xml")
        if found["what"] == "":
            return self._once(own, lambda: _of_release(form, release))
        before = [other for other in form.releases if other.valid_from < release.valid_from]
        if not before:
            return _missing("This is the first release: there is none to compare it with.")
        return self._once(
            f"{own}/changes", lambda: page.of_notes(between_releases(before[-1], release, [form]), _ZONES)
        )

    def _once(self, path: str, make: Callable[[], str]) -> Answer:
        if path not in self._made:
            self._made[path] = _html(make())
        return self._made[path]

    def _glossary(self) -> Mapping[str, Zone]:
        if self._zones is None:
            self._zones = glossary(self._forms.forms.values())
        return self._zones

    def _index(self) -> str:
        rows = [
            (
                Link(release.label, ROOT + release.label),
                form.validity(release),
                form.sender,
                form.receiver,
                Link("XSD", f"{ROOT}{release.label}.xsd"),
                Link("changes", f"{ROOT}{release.label}/changes") if number else None,
            )
            for _, form in sorted(self._forms.forms.items())
            for number, release in enumerate(form.releases)
        ]
        columns = ("release", "valid", "sender", "receiver", "schema", "since the one before")
        return page.document(
            "Schemas of the declarations",
            page.paragraph("The zones of all of them:", Link("glossary", _ZONES)),
            page.table(columns, rows),
        )

    def _all_zones(self) -> str:
        rows = (
            (
                Link(zone.number, _ZONES + zone.number),
                ", ".join(zone.names),
                zone.texts.get("EN", "not written yet"),
                ", ".join(zone.types),
                ", ".join(dict.fromkeys(use.form for use in zone.uses)),
            )
            for zone in self._glossary().values()
        )
        return page.document("Glossary of zones", page.table(("zone", "name", "meaning", "type", "forms"), rows))


def of_zone(zone: Zone) -> str:
    """A zone's page."""
    texts = [(language, zone.texts[language]) for language in LANGUAGES if language in zone.texts]
    differs = [(type_, limits, ", ".join(releases)) for type_, limits, releases in zone.differs]
    uses = (
        (Link(use.release, ROOT + use.release), use.path, use.occurs, use.type, use.limits or None) for use in zone.uses
    )
    untold = page.paragraph("No meaning is written for this zone yet: its name, type and limits are in the schemas.")
    parts = [page.table(("language", "meaning"), texts) if texts else untold]
    if differs:
        parts += [page.heading("Not the same everywhere"), page.table(("type", "limits", "releases"), differs)]
    parts += [
        page.heading("Where it stands"),
        page.table(("release", "path", "occurs", "type", "limits"), uses),
        page.paragraph(Link("all zones", _ZONES)),
    ]
    return page.document(f"{zone.number} {', '.join(zone.names)}", *parts)


def _of_release(form: Form, release: Release) -> str:
    rows = (
        (use.path, Link(zone, _ZONES + zone) if zone else None, use.occurs, use.type, use.limits or None)
        for zone, _, use in elements(release)
    )
    return page.document(
        release.label,
        page.paragraph(f"{form.sender} to {form.receiver}, valid {form.validity(release)}."),
        page.paragraph(Link("XSD", f"{ROOT}{release.label}.xsd"), Link("all schemas", ROOT)),
        page.table(("path", "zone", "occurs", "type", "limits"), rows),
    )


def _html(text: str, status: HTTPStatus = HTTPStatus.OK) -> Answer:
    return Answer(text.encode(), "text/html; charset=utf-8", status)


def _missing(why: str) -> Answer:
    return _html(page.document("Not here", page.paragraph(why, Link("all schemas", ROOT))), HTTPStatus.NOT_FOUND)
