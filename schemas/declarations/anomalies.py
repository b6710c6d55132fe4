"""The catalogue of anomalies: what an ErrorID means, how heavy it is, in three languages.

`python -m schemas.declarations.anomalies` writes `docs/anomalies.md`.
"""

import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from schemas.declarations.texts import LANGUAGES, zone_texts
from schemas.errors import CrossroadsError

#: B blocks: the form is refused. P counts against a threshold, NP does not; D deduction right, W warning, I
#: investigation (field digest 6.0).
AnomalyClass = Literal["B", "P", "NP", "D", "W", "I"]

#: The documentation that `python -m schemas.declarations.anomalies` writes.
PAGE = Path(__file__).parents[2] / "docs" / "anomalies.md"
_ERROR_ID = re.compile(r"((?P<zone>[0-9]{5}|ACRF)-)?(?P<code>[0-9]{3})")


class UnknownAnomaly(CrossroadsError):  # noqa: N818 - what the anomaly is
    """No ErrorID that the catalogue knows."""


@dataclass(frozen=True, slots=True)
class AnomalyText:
    """What an ErrorID says."""

    anomaly_class: AnomalyClass
    #: Our sentence by language, at most 500 characters.
    text: Mapping[str, str]
    #: Whether the code, or what it means here, is this project's and not the field's.
    ours: bool

    @property
    def blocks(self) -> bool:
        """It refuses the form."""
        return self.anomaly_class == "B"


class Anomalies:
    """All that can be told: a code's own entry, and a zone's where it says it otherwise."""

    def __init__(self, entries: Mapping[str, Mapping[str, Any]]) -> None:
        self._entries = entries
        self._found: dict[str, AnomalyText] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        """What has an entry of its own: codes, `333`, and ErrorIDs, `00218-003`, in the order of the catalogue."""
        return tuple(self._entries)

    def of(self, error_id: str) -> AnomalyText:
        """`90373-333`, `ACRF-102`; of a code alone, `333`, the sentence has `{zone}` in it. Raises UnknownAnomaly."""
        if (known := self._found.get(error_id)) is not None:
            return known
        read = _ERROR_ID.fullmatch(error_id)
        if read is None:
            raise UnknownAnomaly("an ErrorID is a zone of 5 digits, or ACRF, and a code of 3: 90373-333")
        entry = self._entries.get(error_id) or self._entries.get(read["code"])
        if entry is None:
            raise UnknownAnomaly(f"{error_id}: the catalogue has no such anomaly; `crossroads nsso anomalies` lists it")
        zone = {} if read["zone"] is None else zone_texts(read["zone"])
        named = "{zone}" if read["zone"] is None else f"zone {read['zone']}"
        text = {one: entry[one].replace("{zone}", zone.get(one, named)) for one in LANGUAGES}
        # A code has 1,000 zones at most: what was asked is kept.
        found = self._found[error_id] = AnomalyText(entry["class"], MappingProxyType(text), entry.get("ours", False))
        return found


@cache
def _read() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads((Path(__file__).parent / "anomalies.toml").read_text(encoding="utf-8"))


#: The one catalogue.
ANOMALIES = Anomalies(_read())


def page() -> str:
    """`docs/anomalies.md`."""
    lines = [
        "# Anomalies",
        "",
        "What may be wrong with a declaration. Made from `schemas/declarations/anomalies.toml` by "
        "`python -m schemas.declarations.anomalies`; a test keeps it so.",
        "An ErrorID is `<zone>-<code>`. Of a code alone, `{zone}` is what the zone means, as the glossary has it. "
        "Class B refuses the form; P, NP, D, W, I are told, and do not. *ours*: not the field's.",
        "",
        "| code | class | EN | NL | FR |",
        "|---|---|---|---|---|",
    ]
    for name, entry in _read().items():
        ours = " *ours*" if entry.get("ours", False) else ""
        lines.append(f"| {name}{ours} | {entry['class']} | {entry['EN']} | {entry['NL']} | {entry['FR']} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE} written\n")
