"""The log of a process on the wire: one JSON object a line, on standard error, and nothing personal in it.

An exception's text may quote what it met (a number, a name, an element), so no line carries one: an exception is told
by its type and the place it was raised. Lines of libraries are told by logger, level and place for the same reason.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger, WrappedLogger

__all__ = ["configure", "logger", "place", "told"]


def logger() -> FilteringBoundLogger:
    """The project's logger; within a message's journey every line carries `ticket` (the ticketCBSS)."""
    return structlog.get_logger()  # type: ignore[no-any-return]


def configure(level: str = "INFO", *, stream: Any = None) -> None:
    """Send structlog and the standard library's logging to `stream` (standard error) as JSON lines. Repeatable."""
    out = sys.stderr if stream is None else stream
    number = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _exception_by_type,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Library)]:
        root.removeHandler(handler)
    root.addHandler(_Library(level=max(number, logging.WARNING)))


def told(error: BaseException) -> dict[str, str]:
    """An exception for a log line: its type and where it was raised, never its text."""
    return {"exception": type(error).__qualname__, "place": place(error.__traceback__)}


def place(trace: TracebackType | None) -> str:
    """`module.py:line function` of the innermost frame, or `unknown`."""
    frames = traceback.extract_tb(trace)
    if not frames:
        return "unknown"
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno} {frames[-1].name}"


def _exception_by_type(_: WrappedLogger, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exception()
    elif isinstance(info, tuple):
        info = info[1]
    if isinstance(info, BaseException):
        event.update(told(info))
    return event


class _Library(logging.Handler):
    """A library's line, without its text."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        line = logger().bind(library=record.name, at=f"{record.filename}:{record.lineno}")
        if error is not None:
            line = line.bind(**told(error))
        line.log(record.levelno, "library line")
