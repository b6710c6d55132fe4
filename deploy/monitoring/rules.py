"""Rule files as Prometheus reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

_MADE = "# Made by `python -m deploy.monitoring` from {source}: change it there.\n"


@dataclass(frozen=True)
class Group:
    """Rules that are evaluated together, one after the other.

    rules: in Prometheus' own shape: `record` or `alert`, `expr`, `for`, `labels`, `annotations`.
    interval: how often, in Prometheus' own words; None: as often as the server evaluates.
    """

    name: str
    rules: Sequence[Mapping[str, Any]]
    interval: str | None = None


def document(groups: Sequence[Group]) -> dict[str, Any]:
    """What a rule file says; `PrivatePrometheus(rules=[…])` takes it."""
    return {
        "groups": [
            {"name": group.name}
            | ({"interval": group.interval} if group.interval is not None else {})
            | {"rules": [dict(rule) for rule in group.rules]}
            for group in groups
        ]
    }


def text(said: Mapping[str, Any], source: str) -> str:
    """A YAML file of Prometheus or Grafana that was made from a module of ours, with a line that says so."""
    return _MADE.format(source=source) + yaml.dump(
        dict(said), Dumper=_Lines, sort_keys=False, allow_unicode=True, width=120
    )


class _Lines(yaml.SafeDumper):
    """A text of several lines keeps them: a query is read as it is written."""


_Lines.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)
