"""Files as senders send them, and what the NSSO makes of them, without a broker."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any
from uuid import uuid4

import asyncpg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs7

from institutions.nsso.files.file import Part, SentFile
from institutions.nsso.files.filing import Filing, Slice
from institutions.nsso.files.processing import Processing
from schemas.declarations.file_name import FileName
from schemas.declarations.outcome import Environment
from schemas.declarations.signature import fingerprint
from schemas.parser import parse
from schemas.period import BRUSSELS
from tests.institutions.nsso.ground import NOON, SECRETARIAT, TODAY, Desk

_sequences = count(1)
SLICE = 300


def name_of(
    kind: str = "DIMN", sender: str = SECRETARIAT, environment: Environment = "T", parts: int = 1, day: date = TODAY
) -> FileName:
    """A name that was not used yet; of the test environment, which needs no signature."""
    return FileName("GO", kind, sender, day, f"{next(_sequences):05d}", environment, parts)


def joined(messages: Iterable[bytes]) -> bytes:
    """One message with the Forms of all of them, a line between."""
    given = list(messages)
    found = [one.partition(b"<Form>")[2].rpartition(b"</Form>")[0] for one in given]
    head, _, rest = given[0].partition(b"<Form>")
    tail = rest.rpartition(b"</Form>")[2]
    return head + b"\n".join(b"<Form>" + one + b"</Form>" for one in found) + tail


@cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def certificate(begin: date = TODAY, end: date = TODAY) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "synthetic")])
    at = [datetime(day.year, day.month, day.day, 12, tzinfo=BRUSSELS) for day in (begin, end)]
    builder = x509.CertificateBuilder(name, name, key().public_key(), x509.random_serial_number())
    return builder.not_valid_before(at[0]).not_valid_after(at[1] + timedelta(hours=1)).sign(key(), hashes.SHA256())


REGISTERED, LAPSED, ANOTHERS = (
    certificate(),
    certificate(TODAY - timedelta(days=9), TODAY - timedelta(days=2)),
    certificate(TODAY, TODAY + timedelta(days=1)),
)
CERTIFICATES = frozenset(map(fingerprint, (REGISTERED, LAPSED)))


def signed(part: bytes, by: x509.Certificate = REGISTERED) -> bytes:
    builder = pkcs7.PKCS7SignatureBuilder().set_data(part).add_signer(by, key(), hashes.SHA256())
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
    return base64.encodebytes(builder.sign(serialization.Encoding.DER, options))


def slices(transfer: str, name: str, body: bytes, size: int = SLICE) -> list[Slice]:
    part = Part(len(body), hashlib.sha256(body).hexdigest())
    if not body:
        return [Slice(transfer, name, part, 0, b"")]
    return [Slice(transfer, name, part, at, body[at : at + size]) for at in range(0, len(body), size)]


class Post:
    """The files of one office."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.now = desk, NOON
        self.filing = Filing(desk.office, now=lambda: self.now, today=TODAY)
        self.processing = Processing(desk.office, self.filing, "12-0", lambda: None)

    async def rows(self, statement: str, *values: object) -> list[Any]:
        connection = await asyncpg.connect(self.desk.url)
        try:
            return list(await connection.fetch(statement, *values))
        finally:
            await connection.close()

    async def send(
        self,
        name: FileName,
        *parts: bytes,
        signatures: Sequence[bytes] = (),
        transfer: str | None = None,
        sender: str | None = None,
        go: str | None = None,
    ) -> str:
        """All of it, and its GO; the transfer."""
        transfer, sender = transfer or str(uuid4()), sender or name.sender
        for number, body in enumerate(parts, 1):
            for one in slices(transfer, str(name.fi(number)), body, max(SLICE, len(body) // 5)):
                await self.filing.slice(sender, one)
        for number, body in enumerate(signatures, 1):
            for one in slices(transfer, str(name.fs(number)), body, max(SLICE, len(body) // 5)):
                await self.filing.slice(sender, one)
        await self.filing.go(sender, transfer, go or str(name))
        return transfer

    async def work(self) -> None:
        """All that there is to do."""
        while numbers := await self.filing.work((), 10):
            for number in numbers:
                await self.processing._work(number)

    async def file(self, transfer: str, sender: str = SECRETARIAT) -> SentFile:
        (row,) = await self.rows("SELECT * FROM file WHERE sender = $1 AND transfer = $2", sender, transfer)
        return SentFile.of_row(row)

    async def acrfs(self, transfer: str, sender: str = SECRETARIAT) -> list[list[str]]:
        """What was told of the whole: the codes of each ACRF."""
        rows = await self.rows(
            "SELECT body FROM outgoing WHERE sender = $1 AND form = 'ACRF' AND headers->>'transfer' = $2 ORDER BY id",
            sender,
            transfer,
        )
        return [[(one.text or "")[5:] for one in parse(row["body"]).iter("ErrorID")] for row in rows]

    async def slices(self, transfer: str) -> int:
        found = await self.rows("SELECT FROM slice WHERE file = (SELECT id FROM file WHERE transfer = $1)", transfer)
        return len(found)

    async def declared(self, name: FileName) -> list[str]:
        """How each form ended, in order."""
        rows = await self.rows(
            "SELECT result FROM declaration WHERE file_name = $1 ORDER BY split_part(key, '#', 2)::integer", str(name)
        )
        return [row["result"] for row in rows]
