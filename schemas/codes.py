"""The one catalogue of codes: what answers carry, what the documentation says, what tests go through.

`python -m schemas.codes` writes `docs/codes.md`.
"""

import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Literal

#: Languages of the texts.
LANGUAGES = ("NL", "FR", "DE", "EN")

Value = Literal["DATA_FOUND", "NO_DATA_FOUND", "NO_RESULT", "INCOMPLETE_DATA"]
Severity = Literal["INFORMATION", "WARNING", "FATAL"]

_OURS = "CRB"
#: No verdict on the request: it was not looked at to its end, its ticket is not used up, and the same may be asked
#: again. The hub is busy; what is asked is paused; maintenance.
NO_VERDICT = frozenset(("CRB00014", "CRB00021", "CRB00022"))
#: The documentation that `python -m schemas.codes` writes.
PAGE = Path(__file__).parent.parent / "docs" / "codes.md"


@dataclass(frozen=True, slots=True)
class Code:
    """One code: what it means, whose it is, what to do."""

    code: str
    kind: Literal["status", "fault"]
    #: Of a response's `status`; None of a fault.
    value: Value | None
    #: In a fault's `detail`. MSG00008 stands in both: a status where data contradict each other, a fault where the
    #: schema is broken.
    severity: Severity
    #: Our sentences by language, at most 256 characters.
    text: Mapping[str, str]
    #: What who gets it should do.
    remedy: str

    @property
    def ours(self) -> bool:
        """Whether it is this project's, not the field's."""
        return self.code.startswith(_OURS)

    @property
    def author(self) -> str:
        """`authorCode` of a fault's detail: who gave the code its meaning."""
        return "CROSSROADS" if self.ours else "CBSS"


def _read() -> Mapping[str, Code]:
    entries = tomllib.loads(files("schemas").joinpath("codes.toml").read_text(encoding="utf-8"))
    return MappingProxyType(
        {
            name: Code(
                name,
                entry["kind"],
                entry.get("value"),
                entry.get("severity", "INFORMATION"),
                MappingProxyType({language: entry[language] for language in LANGUAGES}),
                entry["remedy"],
            )
            for name, entry in entries.items()
        }
    )


#: Every code, in the order of the catalogue: the field's, then ours.
CODES: Mapping[str, Code] = _read()


def code(name: str) -> Code:
    """The catalogue's entry. KeyError for a code that is not in it."""
    return CODES[name]


def page() -> str:
    """`docs/codes.md`."""
    lines = [
        "# Codes",
        "",
        "What an answer may carry. Made from `schemas/codes.toml` by `python -m schemas.codes`; a test keeps it so.",
        "A *status* stands in a response, a *fault* in a fault's `detail`. "
        "Codes `CRB…` are ours (`authorCode` CROSSROADS), the others the field's.",
        "",
        "| code | told as | meaning | what to do |",
        "|---|---|---|---|",
    ]
    for entry in CODES.values():
        told = entry.value or f"fault, {entry.severity}"
        if entry.value and entry.severity == "FATAL":
            told += ", or fault, FATAL"
        lines.append(f"| {entry.code} | {told} | {entry.text['EN']} | {entry.remedy} |")
    for language, title in (("NL", "Nederlands"), ("FR", "Français"), ("DE", "Deutsch")):
        lines += ["", f"## {title}", "", "| code | |", "|---|---|"]
        lines += [f"| {entry.code} | {entry.text[language]} |" for entry in CODES.values()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE} written\n")
