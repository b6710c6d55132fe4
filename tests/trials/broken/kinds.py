"""The table: every kind of broken input."""

# Each of these puts its kinds into the table.
from tests.trials.broken import bodies, contents, markup, protocol, senders
from tests.trials.broken.kind import KINDS, Kind

__all__ = ["KINDS", "Kind", "bodies", "contents", "markup", "protocol", "senders"]
