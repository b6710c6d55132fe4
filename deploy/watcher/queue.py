"""Which queue of docs/wire.md a name is, and whose."""

import re
from dataclasses import dataclass
from typing import Literal

from schemas.wire import names

Kind = Literal["ingress", "supplier", "answers", "mutation", "reply", "definitive", "dead"]
#: As which all reply queues of a vhost are told.
REPLY = "hub.reply"
#: `hub` in the primary network; in a secondary one the managing institution plays the hub's part.
_SECONDARY = re.compile(r"secondary-([0-9]+)")
_INGRESS = re.compile(r"hub\.in\.(.+)\.(?:online|batch|mutation)")
_SUPPLIER = re.compile(r"([0-9]+-[0-9]+(?:-[0-9]{10})?)\.(?:online|batch)\..+")
_OWN = re.compile(r"([0-9]+-[0-9]+(?:-[0-9]{10})?|sender-[0-9]{6})\.(answers|mutation)")


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue of the network; of reply queues, of which each process makes one of its own, all of a vhost."""

    vhost: str
    name: str
    kind: Kind
    #: Of the institution, or `sender-<number>`, or `hub`: whose it is.
    address: str


def queue_of(vhost: str, name: str) -> Queue | None:
    """None: it is none of the wire's, and may be called anything."""
    if vhost == names.PRIMARY:
        centre = names.HUB
    elif (found := _SECONDARY.fullmatch(vhost)) is not None:
        centre = f"{found[1]}-0"
    else:
        return None
    if name == names.DEAD:
        return Queue(vhost, name, "dead", centre)
    if name == names.DEFINITIVE:
        return Queue(vhost, name, "definitive", centre)
    if name.startswith(f"{REPLY}."):
        return Queue(vhost, REPLY, "reply", centre)
    if found := _INGRESS.fullmatch(name):
        return Queue(vhost, name, "ingress", found[1])
    if found := _SUPPLIER.fullmatch(name):
        return Queue(vhost, name, "supplier", found[1])
    if found := _OWN.fullmatch(name):
        return Queue(vhost, name, "answers" if found[2] == "answers" else "mutation", found[1])
    return None
