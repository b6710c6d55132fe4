"""deploy/compose.yaml as a test reads it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parents[2] / "deploy" / "compose.yaml"
#: Services that run our own image.
IMAGE = "crossroads:"


def read() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return document


def ours(document: Mapping[str, Any]) -> dict[str, Any]:
    """The services of our own processes and commands."""
    return {name: one for name, one in document["services"].items() if one["image"].startswith(IMAGE)}


def given(service: Mapping[str, Any], kind: str) -> dict[str, str]:
    """Secrets or configs of a service: where in the container to which name."""
    found = {}
    for one in service.get(kind, ()):
        source, target = (one, one) if isinstance(one, str) else (one["source"], one.get("target", one["source"]))
        found[target if target.startswith("/") else f"/run/secrets/{target}"] = source
    return found


def variables(service: Mapping[str, Any]) -> set[str]:
    """What is set for a process of ours: in its environment, or by a file of a secret."""
    files = {Path(target).name.upper() for target in given(service, "secrets")}
    return {*service.get("environment", {}), *(name for name in files if name.startswith("CROSSROADS_"))}
