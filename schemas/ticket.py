"""ticketCBSS: the hub's own ticket of an exchange, computed from its key.

Every hub computes the same one of the same exchange, without asking another (docs/wire.md, "Keys and repeats").
"""

from uuid import NAMESPACE_URL, UUID, uuid5

from schemas.address import Address

#: Of all tickets of this network.
NAMESPACE = uuid5(NAMESPACE_URL, "urn:crossroads:v1")


def ticket_cbss(customer: Address, ticket: str) -> UUID:
    """Of a customer's own ticket. The customer is who asks, not its relay: both compute the same ticket."""
    return uuid5(NAMESPACE, f"ticket:{customer}:{ticket}")


def ticket_cbss_of_message(sender: Address, message_id: str) -> UUID:
    """Of a request without a ticket, by the broker's message_id."""
    return uuid5(NAMESPACE, f"message:{sender}:{message_id}")


def ticket_cbss_of_delivery(sender: Address, reply_to: str, correlation_id: str, body_sha256: bytes) -> UUID:
    """Of a request with neither: by what a redelivery brings back unchanged."""
    # With their lengths: both are the sender's to choose, and must not run into each other.
    route = f"{len(reply_to)}:{reply_to}:{len(correlation_id)}:{correlation_id}"
    return uuid5(NAMESPACE, f"delivery:{sender}:{route}:{body_sha256.hex()}")
