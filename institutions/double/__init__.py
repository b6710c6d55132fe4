"""A hub in memory, for an institution's own unit tests: no broker, no database, the same answers.

    async with HubDouble() as hub, hub.institution("17-0") as me:
        hub.answer("Pension/1", person, data)
        answer = await me.consult("Pension/1", ssin=person, legal_context="PCSA:SOCIAL_INQUIRY")

`docs/institutions.md` tells how; `tests/institutions/conformance` holds it to what the real hub does.
"""

from institutions.double.hub import HubDouble

__all__ = ["HubDouble"]
