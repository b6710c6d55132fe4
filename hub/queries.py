"""The named queries of queries.sql."""

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_BLOCK = re.compile(r"^-- (\w+) --\n((?:--.*\n)+)", re.MULTILINE)


def _read() -> Mapping[str, str]:
    text = files("hub").joinpath("queries.sql").read_text(encoding="utf-8")
    found = list(_BLOCK.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return MappingProxyType({m.group(1): text[m.end() : end].strip() for m, end in zip(found, ends, strict=True)})


#: Name to SQL.
QUERIES: Mapping[str, str] = _read()
