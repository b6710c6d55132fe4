"""ticketCBSS: the same of the same key everywhere, another of another key."""

from hashlib import sha256
from uuid import NAMESPACE_URL, UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from schemas.address import Address
from schemas.ticket import NAMESPACE, ticket_cbss, ticket_cbss_of_delivery, ticket_cbss_of_message

_PCSW = Address(17, 1, "0000000097")
_BODY = sha256(b"<a/>").digest()

texts = st.text(st.characters(blacklist_categories=["Cs"]), max_size=40)
keys = st.one_of(
    st.tuples(st.just(ticket_cbss), st.sampled_from([_PCSW, _PCSW.kind, Address(17, 0)]), texts),
    st.tuples(st.just(ticket_cbss_of_message), st.sampled_from([_PCSW, _PCSW.kind, Address(17, 0)]), texts),
    st.tuples(st.just(ticket_cbss_of_delivery), st.just(_PCSW), texts, texts, st.just(_BODY)),
)


def test_the_namespace_is_that_of_the_wire():
    assert uuid5(NAMESPACE_URL, "urn:crossroads:v1") == NAMESPACE


def test_every_release_computes_the_same_ticket():
    # Hubs of two releases run side by side: a key must not get another ticket.
    assert ticket_cbss(_PCSW, "T-1") == UUID("620beee5-7dd2-5dcc-82db-822b61c0398a")
    assert ticket_cbss_of_message(_PCSW, "T-1") == UUID("27db7a05-ee98-5017-a872-926dc9211190")
    assert ticket_cbss_of_delivery(_PCSW, "r", "c", _BODY) == UUID("3eb9db85-a7f1-52e0-a7ca-800238f9afc5")


@given(keys, keys)
def test_tickets_are_the_same_exactly_where_the_keys_are(one, other):
    assert (one[0](*one[1:]) == other[0](*other[1:])) == (one == other)


@given(texts, texts, texts)
def test_what_a_sender_chooses_does_not_run_into_what_stands_beside_it(reply_to, between, correlation_id):
    if between:
        assert ticket_cbss_of_delivery(_PCSW, reply_to + between, correlation_id, _BODY) != ticket_cbss_of_delivery(
            _PCSW, reply_to, between + correlation_id, _BODY
        )
