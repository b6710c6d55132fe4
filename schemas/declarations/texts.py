"""What the zones mean, in our own words: `zones.toml`."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

LANGUAGES = ("NL", "FR", "EN")


def zone_texts(number: str) -> Mapping[str, str]:
    """What a zone means by language; empty where nothing is written."""
    return _texts().get(number, {})


@cache
def _texts() -> Mapping[str, Mapping[str, str]]:
    return tomllib.loads((Path(__file__).parent / "zones.toml").read_text(encoding="utf-8"))
