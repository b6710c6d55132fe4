"""Where an institution stands in the network: `18-0`, or `17-1-0212344876` in a secondary network."""

import re
from dataclasses import dataclass
from functools import total_ordering

from schemas.errors import CrossroadsError

#: Highest sector and institution type that Common V3 can carry.
HIGHEST = 999

_WRITTEN = re.compile(r"(0|[1-9][0-9]{0,2})-(0|[1-9][0-9]{0,2})(?:-([0-9]{10}))?")
_CBE = re.compile(r"[0-9]{10}")


class AddressError(CrossroadsError):
    """Not an address; the text does not repeat what was given."""

    def __init__(self, wrong: str) -> None:
        super().__init__(
            f"not an address: {wrong}; write sector-type as in 18-0, or sector-type-enterprise number as in "
            "17-1-0212344876, without spaces or leading zeros"
        )


@total_ordering
@dataclass(frozen=True, slots=True)
class Address:
    """Sector, institution type and, for a cooperating institution, its enterprise number.

    Ordered by sector, type, enterprise number; the one without enterprise number first. The enterprise number has the
    form of one; its check digits are the register's affair. Raises AddressError.
    """

    sector: int
    type: int
    #: Enterprise number, 10 digits: a cooperating institution of a secondary network. None: directly connected, or
    #: the sector and type as such.
    cbe: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.sector <= HIGHEST:
            raise AddressError(f"the sector is not within 0 to {HIGHEST}")
        if not 0 <= self.type <= HIGHEST:
            raise AddressError(f"the institution type is not within 0 to {HIGHEST}")
        if self.cbe is not None and not _CBE.fullmatch(self.cbe):
            raise AddressError("the enterprise number is not 10 digits")

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read what `str` writes, and nothing else. Raises AddressError."""
        written = _WRITTEN.fullmatch(text)
        if written is None:
            raise AddressError("the form is another one")
        return cls(int(written[1]), int(written[2]), written[3])

    @property
    def kind(self) -> "Address":
        """Sector and type alone: what the hub's repertory and its rules speak of."""
        return self if self.cbe is None else Address(self.sector, self.type)

    @property
    def is_cooperating(self) -> bool:
        """Whether it is a cooperating institution, connected through the one that manages its network."""
        return self.cbe is not None

    def __str__(self) -> str:
        return f"{self.sector}-{self.type}" + (f"-{self.cbe}" if self.cbe is not None else "")

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Address):
            return NotImplemented
        return (self.sector, self.type, self.cbe or "") < (other.sector, other.type, other.cbe or "")
