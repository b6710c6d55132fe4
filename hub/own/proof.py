"""Proof of authentication: what a customer brings forward, held against who keeps identities.

The hub compares; it keeps nothing of it, and what was wrong is not told.
"""

from collections.abc import Iterator

from lxml import etree

from hub.own.service import Answered, Call, Ending, Others
from schemas.address import Address
from schemas.identity import Identity, IncompleteDate, IncompleteDateError, Named, Proof, proves
from schemas.message import find_all, text_at, text_of

#: The service that says who a number is.
IDENTIFY = "IdentifyPerson/1"
_PROOF = "criteria/proofOfAuthentication"


def read_proof(root: etree._Element) -> Proof | None:
    """What a valid request brings forward; None: nothing, or a birth date that is none."""
    named = None
    if (last_name := text_at(root, f"{_PROOF}/personData/lastName")) is not None:
        try:
            born = IncompleteDate.parse(text_at(root, f"{_PROOF}/personData/birthDate") or "")
        except IncompleteDateError:
            return None
        named = Named(last_name, born, text_at(root, f"{_PROOF}/personData/firstName"))
    proof = Proof(text_at(root, f"{_PROOF}/sisCardNumber"), text_at(root, f"{_PROOF}/identityCardNumber"), named)
    return None if proof.empty else proof


def keepers(call: Call) -> tuple[Address, ...]:
    """Who says who a number is: those that hold it for everybody."""
    rows = call.rules.available(IDENTIFY)
    return tuple(sorted({call.rules.asked_as(row.address) for row in rows if row.quality is None}))


async def identify(call: Call, others: Others) -> list[Answered | None]:
    """Ask every keeper who the person of this call is."""
    ssin = etree.Element("ssin")
    ssin.text = call.request.ssin_text
    criteria = etree.Element("criteria")
    criteria.append(ssin)
    return await others.ask(IDENTIFY, keepers(call), [criteria])


async def check_proof(call: Call, others: Others, proof: Proof) -> Ending | None:
    """None: it is right. Else how the call ends: CRB00015, MSG00005 where nobody has the number, CRB00010 where it
    could not be told."""
    asked = keepers(call)
    answers = await identify(call, others)
    identities = [identity for one in answers if one is not None for identity in _identities(one.root)]
    if any(proves(proof, identity) for identity in identities):
        return None
    if identities:
        return Ending("CRB00015")
    silent = tuple(address for address, one in zip(asked, answers, strict=True) if one is None)
    if silent or not asked:
        return Ending("CRB00010", silent=silent)
    return Ending("MSG00005")


def _identities(root: etree._Element) -> Iterator[Identity]:
    for person in find_all(root, "part/person"):
        try:
            born = IncompleteDate.parse(text_at(person, "birthDate") or "")
        except IncompleteDateError:
            continue
        yield Identity(
            text_at(person, "lastName") or "",
            born,
            tuple(filter(None, (text_of(first) for first in find_all(person, "firstName")))),
            text_at(person, "sisCardNumber"),
            text_at(person, "identityCardNumber"),
        )
