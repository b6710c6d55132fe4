"""What happens on the wire, for whoever observes nothing of their own."""

import logging

from schemas.wire.transport import Event, Observer

_log = logging.getLogger("crossroads.wire")
_QUIET = ("connected", "consuming")


def log_event(event: Event) -> None:
    """Log an event: what came up as information, what went down as a warning."""
    level = logging.INFO if event.what in _QUIET else logging.WARNING
    _log.log(level, "%s: %s%s", event.what, event.where, f" ({event.why})" if event.why else "")


def guarded(observe: Observer) -> Observer:
    """The observer, unable to stop what it observes: what it raises is logged."""

    def tell(event: Event) -> None:
        try:
            observe(event)
        except Exception as error:  # noqa: BLE001  whatever it is, connections go on being made
            _log.error("the observer of the wire raised %s on %r", type(error).__name__, event.what)

    return tell
