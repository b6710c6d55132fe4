"""Which queue a name is: those of docs/wire.md, and nobody else's."""

from uuid import uuid4

import pytest

from deploy.watcher.queue import Queue, queue_of


@pytest.mark.parametrize(
    ("vhost", "name", "kind", "address"),
    [
        ("crossroads", "hub.in.18-0.online", "ingress", "18-0"),
        ("crossroads", "hub.in.17-1-0212344876.batch", "ingress", "17-1-0212344876"),
        ("secondary-12", "hub.in.sender-123456.mutation", "ingress", "sender-123456"),
        ("crossroads", "18-0.online.Pension.1", "supplier", "18-0"),
        ("secondary-17", "17-1-0212344876.batch.LivingWages.1", "supplier", "17-1-0212344876"),
        ("crossroads", "18-0.answers", "answers", "18-0"),
        ("secondary-12", "sender-123456.answers", "answers", "sender-123456"),
        ("crossroads", "18-0.mutation", "mutation", "18-0"),
        ("crossroads", "hub.definitive", "definitive", "hub"),
        ("secondary-17", "hub.definitive", "definitive", "17-0"),
        ("crossroads", "hub.dead", "dead", "hub"),
        ("secondary-17", "hub.dead", "dead", "17-0"),
    ],
)
def test_each_name_says_what_it_is_and_whose(vhost: str, name: str, kind: str, address: str) -> None:
    assert queue_of(vhost, name) == Queue(vhost, name, kind, address)  # type: ignore[arg-type]


def test_reply_queues_of_a_vhost_are_one() -> None:
    """Each process makes one of its own: their names would be labels without end."""
    assert {queue_of("crossroads", f"hub.reply.{uuid4()}") for _ in range(3)} == {
        Queue("crossroads", "hub.reply", "reply", "hub")
    }


@pytest.mark.parametrize(
    ("vhost", "name"),
    [
        ("/", "hub.dead"),
        ("other", "18-0.answers"),
        ("secondary-x", "18-0.answers"),
        ("crossroads", "amq.gen-JzTY20BRgKO-HjmUJj0wLg"),
        ("crossroads", "hub.other"),
        ("crossroads", "18-0.else"),
        ("crossroads", "somebody.answers"),
    ],
)
def test_what_is_no_queue_of_the_network_gives_no_label(vhost: str, name: str) -> None:
    assert queue_of(vhost, name) is None
