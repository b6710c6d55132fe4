"""A form: a folder with `form.toml` and the XSDs of its releases."""

import tomllib
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import pydantic
from lxml import etree

from schemas.declarations.quarter import Quarter, QuarterError
from schemas.errors import CrossroadsError
from schemas.folders import Fingerprint, fingerprint
from schemas.grammar import Grammar, GrammarError
from schemas.violation import Violation

DESCRIPTOR = "form.toml"


class FormError(CrossroadsError):
    """A folder is no form, or a message is of no form or release that is known; never repeats what a message says."""


class UnknownForm(FormError):  # noqa: N818 - what the message is of
    """The root element is that of no known form."""


def _quarter(text: object) -> object:
    if not isinstance(text, str):
        return text
    try:
        return Quarter.parse(text)
    except QuarterError as error:
        raise ValueError(str(error)) from None


_Filled = Annotated[str, pydantic.StringConstraints(min_length=1)]
_FileName = Annotated[str, pydantic.StringConstraints(pattern=r"^[^/\\]+\.xsd$")]
_Name = Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]


class _Strict(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)


class _Flow(_Strict):
    sender: _Filled
    receiver: _Filled


class _Release(_Strict):
    valid_from: Annotated[Quarter, pydantic.BeforeValidator(_quarter)]
    schema_: Annotated[_FileName, pydantic.Field(alias="schema")]
    root: _Filled


class _Descriptor(_Strict):
    """`form.toml` as written."""

    name: _Name
    identification: _Filled
    flow: _Flow
    releases: Annotated[list[_Release], pydantic.Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Release:
    """A form's schema from one quarter on, until the next release."""

    form: str
    folder: Path
    valid_from: Quarter
    #: file name; one schema may serve several releases
    schema: str
    #: root element, in Clark notation
    root: str
    #: what the folder was when it was read
    stamp: Fingerprint = field(repr=False)

    @property
    def label(self) -> str:
        """As messages and people name it, `Dimona_20231`."""
        return f"{self.form}_{self.valid_from.year:04}{self.valid_from.number}"

    @property
    def grammar(self) -> Grammar:
        """The compiled schema, compiled once a process. Raises `GrammarError`."""
        return _compiled(self.folder, self.schema, self.stamp)

    def violations_of(self, root: etree._Element) -> tuple[Violation, ...]:
        """What of `root` breaks the schema; empty: valid. `root` is parsed from the bytes meant, and not edited.

        Raises `GrammarError`.
        """
        return self.grammar.violations_of(root)


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of structured message, as its folder said when it was read."""

    name: str
    #: what stands in the element Identification
    identification: str
    #: who sends it to whom, in words
    sender: str
    receiver: str
    #: by quarter, the earliest first; at least one
    releases: tuple[Release, ...]
    folder: Path

    @property
    def type(self) -> str:
        """Its name, as a service's type is its name and version."""
        return self.name

    @classmethod
    def compiled(cls, folder: Path) -> "Form":
        """Reads a folder and compiles its schemas, each of which must have its root. Raises `FormError`."""
        form = cls.read(folder)
        for release in form.releases:
            try:
                roots = release.grammar.roots
            except GrammarError as error:
                raise FormError(str(error)) from None
            if release.root not in roots:
                there = ", ".join(roots) or "none"
                raise FormError(
                    f"{folder.name}/{DESCRIPTOR}: root: {release.schema} has no such element; it has {there}"
                )
        return form

    @classmethod
    def read(cls, folder: Path) -> "Form":
        """Reads a folder; schemas are compiled when first used. Raises `FormError`."""
        try:
            stamp = fingerprint(folder)
            written = tomllib.loads((folder / DESCRIPTOR).read_text(encoding="utf-8"))
            descriptor = _Descriptor.model_validate(written)
        except OSError as error:
            raise FormError(f"{folder.name}/{DESCRIPTOR}: cannot be read: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise FormError(f"{folder.name}/{DESCRIPTOR}: is no TOML in UTF-8: {error}") from None
        except pydantic.ValidationError as error:
            lines = (f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}" for wrong in error.errors())
            raise FormError("\n".join(f"{folder.name}/{DESCRIPTOR}: {line}" for line in lines)) from None
        quarters = [release.valid_from for release in descriptor.releases]
        if len(set(quarters)) < len(quarters):
            raise FormError(f"{folder.name}/{DESCRIPTOR}: releases: two are valid from the same quarter; keep one")
        for release in descriptor.releases:
            if not (folder / release.schema_).is_file():
                raise FormError(f"{folder.name}/{DESCRIPTOR}: schema: no such file in the folder: {release.schema_}")
        releases = (
            Release(descriptor.name, folder, release.valid_from, release.schema_, release.root, stamp)
            for release in sorted(descriptor.releases, key=lambda release: release.valid_from)
        )
        return cls(
            descriptor.name,
            descriptor.identification,
            descriptor.flow.sender,
            descriptor.flow.receiver,
            tuple(releases),
            folder,
        )

    def validity(self, release: Release) -> str:
        """The quarters it is the release of, `2022/3 to 2022/4`, `from 2023/1`."""
        later = [other.valid_from for other in self.releases if other.valid_from > release.valid_from]
        if not later:
            return f"from {release.valid_from}"
        last = later[0].before()
        return str(last) if last == release.valid_from else f"{release.valid_from} to {last}"

    def release(self, quarter: Quarter) -> Release:
        """The release of this quarter, or the latest before. Raises `FormError` where all are later."""
        valid = [release for release in self.releases if release.valid_from <= quarter]
        if not valid:
            raise FormError(f"{self.name}: no release for {quarter}; the earliest is {self.releases[0].valid_from}")
        return valid[-1]


#: As many releases stay compiled as are in use at once; of a folder that is edited the old ones go.
@lru_cache(maxsize=128)
def _compiled(folder: Path, schema: str, _: Fingerprint) -> Grammar:
    try:
        return Grammar.read(folder, schema)
    except GrammarError as error:
        raise GrammarError(f"{folder.name}: {error}") from None
    except OSError as error:
        raise GrammarError(f"{folder.name}: {schema}: cannot be read: {error.strerror}") from None
