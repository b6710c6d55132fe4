"""Services that the hub itself answers (`answered_by = "hub"`): one module a service or a family of them."""

from collections.abc import Mapping
from types import MappingProxyType

from hub.own.catching_up import CatchUp, FollowUp
from hub.own.explain import ExplainDecision
from hub.own.integrations import ListIntegrations, RegisterIntegration, UnregisterIntegration
from hub.own.lots import CloseLot, OpenLot
from hub.own.other_sectors import ConsultOtherSectors
from hub.own.replacement import ReplaceSsin
from hub.own.service import OwnService

#: By service type, `Name/version`.
OWN: Mapping[str, OwnService] = MappingProxyType(
    {
        "CatchUp/1": CatchUp(),
        "CloseLot/1": CloseLot(),
        "ConsultOtherSectors/1": ConsultOtherSectors(),
        "ExplainDecision/1": ExplainDecision(),
        "FollowUp/1": FollowUp(),
        "ListIntegrations/1": ListIntegrations(),
        "OpenLot/1": OpenLot(),
        "RegisterIntegration/1": RegisterIntegration(),
        "ReplaceSsin/1": ReplaceSsin(),
        "UnregisterIntegration/1": UnregisterIntegration(),
    }
)

__all__ = ["OWN", "OwnService"]
