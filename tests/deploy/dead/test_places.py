"""Where the commands look, beside a network of one's own."""

import pytest

from deploy.command.dead import _places, _urls
from deploy.dead.message import Place
from schemas.errors import CrossroadsError

DATABASE = "postgresql://somewhere/hub"


def test_each_network_of_the_register_has_a_hub_dead() -> None:
    assert _places(DATABASE, ["17-0"], "") == [Place("hub", "crossroads"), Place("17-0", "secondary-17")]
    assert _places(DATABASE, ["17-0"], "17-0") == [Place("17-0", "secondary-17")]
    # Where there are senders alone, the register does not say so.
    assert _places(DATABASE, [], "12-0") == [Place("12-0", "secondary-12")]
    with pytest.raises(CrossroadsError, match="one of hub, 17-0"):
        _places(DATABASE, ["17-0"], "18-0")


def test_the_broker_that_was_named_is_asked_in_that_networks_vhost() -> None:
    nodes = "amqp://operator:p@one:5672, amqps://operator:p@two:5671/other?cafile=x"
    assert _urls(DATABASE, nodes, Place("17-0", "secondary-17")) == (
        "amqp://operator:p@one:5672/secondary-17",
        "amqps://operator:p@two:5671/secondary-17?cafile=x",
    )
    with pytest.raises(CrossroadsError, match="which broker"):
        _urls(DATABASE, None, Place("hub", "crossroads"))
