"""Services that the hub itself answers (`answered_by = "hub"`): one module a service or a family of them."""

from collections.abc import Mapping
from types import MappingProxyType

from hub.own.service import OwnService

#: By service type, `Name/version`.
OWN: Mapping[str, OwnService] = MappingProxyType({})

__all__ = ["OWN", "OwnService"]
