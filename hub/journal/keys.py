"""The keyed hash by which a person's rows are found in the journal, and by nothing else."""

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from schemas.errors import CrossroadsError
from schemas.ssin import Ssin

#: A shorter secret could be tried out: there are few enough numbers that the secret is all there is.
_SHORTEST_SECRET = 16
_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")


class PersonKeyError(CrossroadsError):
    """CROSSROADS_JOURNAL_KEY is `id:secret`, comma separated, the one in use first: letters, digits, `_.-` for the id,
    16 characters or more without a comma for the secret (`openssl rand -hex 32` makes one). The text says what is
    wrong."""


@dataclass(frozen=True, slots=True)
class PersonKey:
    """A secret and what it is called in the journal."""

    id: str
    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            raise PersonKeyError("a key's id is 1 to 32 letters, digits or _.- before the colon, as in 2026a:secret")
        if len(self.secret) < _SHORTEST_SECRET:
            raise PersonKeyError(f"the secret of key {self.id} is shorter than {_SHORTEST_SECRET} characters")

    def hash(self, digits: str) -> bytes:
        """HMAC-SHA256 of eleven digits."""
        return hmac.digest(self.secret, digits.encode("ascii"), hashlib.sha256)


class PersonKeys:
    """The key in use, and the older ones under which rows were written."""

    def __init__(self, keys: Sequence[PersonKey]) -> None:
        if not keys:
            raise PersonKeyError("there is no key: name at least one, as in 2026a:secret")
        if len({key.id for key in keys}) != len(keys):
            raise PersonKeyError("two keys have the same id: rows could not be told apart")
        self.keys = tuple(keys)

    @classmethod
    def parse(cls, text: str) -> "PersonKeys":
        """Read `id:secret,id:secret`. Raises PersonKeyError."""
        keys = []
        for written in filter(None, (part.strip() for part in text.split(","))):
            name, colon, secret = written.partition(":")
            if not colon:
                raise PersonKeyError("a key is written id:secret, as in 2026a:secret; one has no colon")
            keys.append(PersonKey(name, secret.encode()))
        return cls(keys)

    @property
    def current(self) -> PersonKey:
        """The key that new rows are written under."""
        return self.keys[0]

    def hashes(self, ssin: Ssin) -> list[bytes]:
        """Where this person's rows can stand, one a key."""
        return [key.hash(ssin.digits) for key in self.keys]
