"""Why there is no answer, and what to do. A refusal is an answer (`Answer`), none of these."""

from collections.abc import Sequence

from schemas.errors import CrossroadsError
from schemas.lot import Totals
from schemas.parser import Information
from schemas.violation import Violation


class InstitutionError(CrossroadsError):
    """Base of what asking the hub may raise."""


class AskingError(InstitutionError):
    """A request that got no answer. `ticket` names the exchange: the same ticket, sent again with the same content,
    is the same exchange and is done once."""

    def __init__(self, text: str, ticket: str | None) -> None:
        super().__init__(text)
        self.ticket = ticket


class OverLimit(AskingError):  # noqa: N818  what the design calls it
    """The broker refused the request: this institution's queue at the hub is full, because it sends more than its
    rate. Nothing was taken; send slower, and send this one again later."""


class NoAnswer(AskingError):  # noqa: N818
    """No answer came in time. The request may have been taken: ask again with `ticket=error.ticket`."""


class Unreachable(AskingError):  # noqa: N818
    """No node of the list let us in within the time, or the institution's queue is not there. Nothing was sent.
    Look at the network, at the URLs, and whether the institution is provisioned."""


class NotAllowed(AskingError):  # noqa: N818
    """The broker does not know this user and password, or gives them no right here. Nothing was sent. Look at user,
    password and vhost: a cooperating institution's vhost is its secondary network's."""


class InvalidRequest(InstitutionError):  # noqa: N818
    """The request breaks its service's schema; nothing was sent. `violations` say where and which rule."""

    def __init__(self, service: str, violations: Sequence[Violation]) -> None:
        told = "; ".join(f"{v.path}: {v.reason}" for v in violations[:3])
        super().__init__(f"the request breaks the schema of {service}: {told}")
        self.violations = tuple(violations)


class LotRefused(InstitutionError):  # noqa: N818
    """The hub did not take a lot's voucher; `code` says why. CRB00018: `expected` is the number that is next."""

    def __init__(self, code: str, information: Information) -> None:
        said = ", ".join(f"{name} {value}" for name, value in information)
        super().__init__(f"the hub does not take this lot: {code}{f' ({said})' if said else ''}")
        self.code, self.expected = code, dict(information).get("expected")


class LotDiffers(InstitutionError):  # noqa: N818
    """All answers of a lot are there, and the hub counted others, or has no outcome of some (`open`). Both totals count
    by value and code. The lot stays open."""

    def __init__(self, ours: Totals, theirs: Totals, open_: int) -> None:
        def told(totals: Totals) -> str:
            return ", ".join(f"{count} {value} {code}" for (value, code), count in sorted(totals.items())) or "none"

        missing = f", without outcome {open_}" if open_ else ""
        super().__init__(f"the totals of the lot differ: here {told(ours)}; at the hub {told(theirs)}{missing}")
        self.ours, self.theirs, self.open = ours, theirs, open_


class UnknownService(InstitutionError):  # noqa: N818
    """No service of this type is in the catalogue. CROSSROADS_SERVICES adds folders of services to it."""


class NotOpen(InstitutionError):  # noqa: N818
    """The institution is not connected: use it within `async with`."""


class UnreadableAnswer(InstitutionError):  # noqa: N818
    """The centre answered something that is no answer. Tell whoever runs it."""
