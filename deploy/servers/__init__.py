"""Private RabbitMQ, PostgreSQL and Prometheus servers.

They are on free loopback ports, in a directory of their own, gone with their owner.

    with PrivateRabbitMQ() as rabbitmq, PrivatePostgreSQL() as postgresql:
        ...

`start_all(rabbitmq, postgresql)` boots several at the same time.
"""

from deploy.servers.postgresql import ForeignPostgreSQL, PrivatePostgreSQL
from deploy.servers.prometheus import ForeignPrometheus, PrivatePrometheus
from deploy.servers.rabbitmq import ForeignRabbitMQ, PrivateRabbitMQ
from deploy.servers.server import PrivateServer, ServerError, start_all

__all__ = [
    "ForeignPostgreSQL",
    "ForeignPrometheus",
    "ForeignRabbitMQ",
    "PrivatePostgreSQL",
    "PrivatePrometheus",
    "PrivateRabbitMQ",
    "PrivateServer",
    "ServerError",
    "start_all",
]
