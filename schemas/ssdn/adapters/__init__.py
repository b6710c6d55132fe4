"""Business requests of the envelope, each made a Common V3 request, and the answer made a business reply. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from schemas.ssdn.adapters import identify_person, manage_access, reference_manager
from schemas.ssdn.adapters.adapter import Adapter, Replied, Wrong

#: By the root element of the business request.
ADAPTERS: Mapping[str, Adapter] = MappingProxyType(
    {
        identify_person.REQUEST: identify_person.IdentifyPerson(),
        manage_access.REQUEST: manage_access.ManageAccess(),
        reference_manager.REQUEST: reference_manager.ReferenceManager(),
    }
)

__all__ = ["ADAPTERS", "Adapter", "Replied", "Wrong"]
