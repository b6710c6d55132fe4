"""Signatures of files: base64 of a CMS SignedData (RFC 5652, in DER), detached, over the bytes of an FI part.

`docs/declarations.md`, "Signature". The structure is read here, the library does all cryptography.
"""

import base64
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from schemas.errors import CrossroadsError
from schemas.period import BRUSSELS

MOST = 262_144
"""Bytes that a signature may have, as it is sent."""

_LEAST_RSA, _LEAST_CURVE = 2048, 256
_DATA, _SIGNED_DATA = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.2"
_CONTENT_TYPE, _MESSAGE_DIGEST = "1.2.840.113549.1.9.3", "1.2.840.113549.1.9.4"
#: By object identifier, the digests that are good enough.
_DIGESTS: dict[str, hashes.HashAlgorithm] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}
_SHA256, _EC_SHA256 = "2.16.840.1.101.3.4.2.1", "1.2.840.10045.4.3.2"
_RSA, _PSS = "1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10"
#: Algorithms of signatures that name their digest.
_RSA_WITH = {f"1.2.840.113549.1.1.{n}": name for n, name in ((11, "sha256"), (12, "sha384"), (13, "sha512"))}
_EC_WITH = {f"1.2.840.10045.4.3.{n}": name for n, name in ((2, "sha256"), (3, "sha384"), (4, "sha512"))}


class SignatureError(CrossroadsError):
    """It is no signature that could be right (ACRF-125)."""


@asn1.sequence
@dataclass
class _Content:
    type: x509.ObjectIdentifier
    content: Annotated[bytes | None, asn1.Explicit(0)]


@asn1.sequence
@dataclass
class _SignedData:
    version: int
    digests: asn1.SetOf[asn1.TLV]
    content: _Content
    certificates: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(0)]
    revocations: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(1)]
    signers: asn1.SetOf[asn1.TLV]


@asn1.sequence
@dataclass
class _ContentInfo:
    type: x509.ObjectIdentifier
    content: Annotated[_SignedData, asn1.Explicit(0)]


@asn1.sequence
@dataclass
class _Algorithm:
    algorithm: x509.ObjectIdentifier
    parameters: asn1.Null | None


@asn1.sequence
@dataclass
class _PssAlgorithm:
    algorithm: x509.ObjectIdentifier
    parameters: asn1.TLV


@asn1.sequence
@dataclass
class _IssuerAndSerial:
    issuer: asn1.TLV
    serial: int


@asn1.sequence
@dataclass
class _Attribute:
    type: x509.ObjectIdentifier
    values: asn1.SetOf[asn1.TLV]


@asn1.sequence
@dataclass
class _Signer:
    version: int
    #: Or the key's identifier.
    identified: _IssuerAndSerial | Annotated[bytes, asn1.Implicit(0)]
    digest: _Algorithm
    signed: Annotated[asn1.SetOf[_Attribute] | None, asn1.Implicit(0)]
    algorithm: asn1.TLV
    signature: bytes
    unsigned: Annotated[asn1.SetOf[asn1.TLV] | None, asn1.Implicit(1)]


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature as read; of what it is over nothing is known yet."""

    #: The digest of what is signed that `judged` needs, by its name in `hashlib`.
    digest: str
    #: Of who signed.
    certificate: x509.Certificate = field(repr=False)
    _right: Callable[[bytes], bool] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: bytes) -> "Signature":
        """Of one signer, with SHA-256 or better and RSA from 2048 bits or ECDSA from 256. Raises SignatureError."""
        try:
            return cls._parse(base64.b64decode(b"".join(text.split()), validate=True))
        except SignatureError:
            raise
        except Exception as error:  # noqa: BLE001  the library has a kind for each way in which somebody may write it
            raise SignatureError(f"no SignedData in base64 with one signer: {type(error).__name__}") from None

    @classmethod
    def _parse(cls, der: bytes) -> "Signature":
        info = asn1.decode_der(_ContentInfo, der)
        content, within = info.content.content, info.content.certificates
        types = [info.type.dotted_string, content.type.dotted_string]
        if types != [_SIGNED_DATA, _DATA] or content.content is not None:
            raise SignatureError("no detached SignedData over data")
        (found,) = info.content.signers.as_list()
        signer = found.parse(_Signer)
        algorithm = _DIGESTS.get(signer.digest.algorithm.dotted_string)
        if algorithm is None:
            raise SignatureError("its digest is none of SHA-256, SHA-384 and SHA-512")
        given = [] if within is None else within.as_list()
        certificates = (x509.load_der_x509_certificate(asn1.encode_der(one)) for one in given)
        certificate = next((one for one in certificates if _is(one, signer)), None)
        if certificate is None:
            raise SignatureError("the certificate of its signer is not in it")
        verify = _verify(certificate, signer, algorithm)

        def right(digest: bytes) -> bool:
            try:
                verify(_signed(signer, digest, algorithm))
            except (InvalidSignature, SignatureError, ValueError):
                return False
            return True

        return cls(algorithm.name, certificate, right)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the signer's certificate, in hexadecimal: as the register of senders has it."""
        return fingerprint(self.certificate)

    def judged(self, digest: bytes, day: date, registered: Collection[str]) -> tuple[str, ...]:
        """What is wrong with it over something with this digest, of a sender with these certificates (fingerprints), on
        this day in Belgium: 125 it is invalid, 153 another's certificate, 154 not in force."""
        found = () if self._right(digest) else ("125",)
        if self.fingerprint not in registered:
            found = (*found, "153")
        begin, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        if not _day(begin) <= day <= _day(end):
            found = (*found, "154")
        return found


class Signer:
    """Signs with a key and its certificate."""

    def __init__(self, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        """RSA from 2048 bits, or an elliptic curve. Raises SignatureError for another, or where they are no pair."""
        if isinstance(key, rsa.RSAPrivateKey) and key.key_size < _LEAST_RSA:
            raise SignatureError(f"an RSA key has {_LEAST_RSA} bits at least")
        if key.public_key() != certificate.public_key():
            raise SignatureError("the certificate is not of this key")
        self.key, self.certificate = key, certificate

    @classmethod
    def load(cls, key: Path, certificate: Path, password: str | None = None) -> "Signer":
        """From PEM files. Raises SignatureError and OSError."""
        try:
            found = load_pem_private_key(key.read_bytes(), None if password is None else password.encode())
        except (ValueError, TypeError):
            raise SignatureError(f"{key}: no private key in PEM, or another password opens it") from None
        if not isinstance(found, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise SignatureError(f"{key}: neither an RSA key nor one of an elliptic curve")
        try:
            read = x509.load_pem_x509_certificate(certificate.read_bytes())
        except ValueError:
            raise SignatureError(f"{certificate}: no certificate in PEM") from None
        return cls(found, read)

    def sign(self, sha256: bytes) -> bytes:
        """Base64 of a SignedData over something with this digest: the content itself is not needed."""
        kind, digest = (asn1.encode_der(one) for one in (x509.ObjectIdentifier(_DATA), sha256))
        attributes = asn1.SetOf([_attribute(_CONTENT_TYPE, kind), _attribute(_MESSAGE_DIGEST, digest)])
        over = asn1.encode_der(attributes)
        if isinstance(self.key, rsa.RSAPrivateKey):
            named = _Algorithm(x509.ObjectIdentifier(_RSA), asn1.Null())
            signature = self.key.sign(over, padding.PKCS1v15(), hashes.SHA256())
        else:
            named = _Algorithm(x509.ObjectIdentifier(_EC_SHA256), None)
            signature = self.key.sign(over, ec.ECDSA(hashes.SHA256()))
        hashed = _Algorithm(x509.ObjectIdentifier(_SHA256), None)
        signer = _Signer(
            1,
            _IssuerAndSerial(_tlv(self.certificate.issuer.public_bytes()), self.certificate.serial_number),
            hashed,
            attributes,
            _tlv(asn1.encode_der(named)),
            signature,
            None,
        )
        signed = _SignedData(
            1,
            asn1.SetOf([_tlv(asn1.encode_der(hashed))]),
            _Content(x509.ObjectIdentifier(_DATA), None),
            asn1.SetOf([_tlv(self.certificate.public_bytes(Encoding.DER))]),
            None,
            asn1.SetOf([_tlv(asn1.encode_der(signer))]),
        )
        info = _ContentInfo(x509.ObjectIdentifier(_SIGNED_DATA), signed)
        return base64.encodebytes(asn1.encode_der(info))


def _attribute(kind: str, value: bytes) -> _Attribute:
    return _Attribute(x509.ObjectIdentifier(kind), asn1.SetOf([_tlv(value)]))


def _tlv(der: bytes) -> asn1.TLV:
    return asn1.decode_der(asn1.TLV, der)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate, in hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def _day(moment: datetime) -> date:
    """In Belgium."""
    try:
        return moment.astimezone(BRUSSELS).date()
    except OverflowError:  # 9999-12-31T23:59:59Z: in force for good (RFC 5280)
        return date.max


def _is(certificate: x509.Certificate, signer: _Signer) -> bool:
    """Whether it is the one that the signer names."""
    named = signer.identified
    if isinstance(named, _IssuerAndSerial):
        same = certificate.serial_number == named.serial
        return same and certificate.issuer.public_bytes() == asn1.encode_der(named.issuer)
    try:
        key = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except x509.ExtensionNotFound:
        return False
    return key.value.digest == named


def _verify(certificate: x509.Certificate, signer: _Signer, algorithm: hashes.HashAlgorithm) -> Callable[[bytes], None]:
    """How its signature over a digest is verified; that raises InvalidSignature."""
    named = _algorithm(signer.algorithm)
    key, prehashed = certificate.public_key(), Prehashed(algorithm)
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA:
        if named == _PSS:
            filled: padding.AsymmetricPadding = padding.PSS(padding.MGF1(algorithm), padding.PSS.AUTO)
        elif named == _RSA or _RSA_WITH.get(named) == algorithm.name:
            filled = padding.PKCS1v15()
        else:
            raise SignatureError("its algorithm is none for an RSA key and its digest")
        return lambda digest: key.verify(signer.signature, digest, filled, prehashed)
    strong = isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= _LEAST_CURVE
    if isinstance(key, ec.EllipticCurvePublicKey) and strong and _EC_WITH.get(named) == algorithm.name:
        return lambda digest: key.verify(signer.signature, digest, ec.ECDSA(prehashed))
    raise SignatureError("neither RSA from 2048 bits nor ECDSA from 256 bits with its digest")


def _algorithm(written: asn1.TLV) -> str:
    for kind in (_Algorithm, _PssAlgorithm):
        with suppress(ValueError):
            return str(written.parse(kind).algorithm.dotted_string)
    raise SignatureError("its algorithm cannot be read")


def _signed(signer: _Signer, digest: bytes, algorithm: hashes.HashAlgorithm) -> bytes:
    """The digest that the signature is over: of the attributes, once they say that they are of this content; without
    any the content's own."""
    if signer.signed is None:
        return digest
    kinds = [_values(signer, kind) for kind in (_CONTENT_TYPE, _MESSAGE_DIGEST)]
    if kinds != [[asn1.encode_der(x509.ObjectIdentifier(_DATA))], [asn1.encode_der(digest)]]:
        raise SignatureError("its attributes are not those of this content")
    hashed = hashes.Hash(algorithm)
    hashed.update(asn1.encode_der(signer.signed))
    return hashed.finalize()


def _values(signer: _Signer, kind: str) -> list[bytes]:
    """All values of an attribute, in DER."""
    attributes = [] if signer.signed is None else signer.signed.as_list()
    return [
        asn1.encode_der(value) for one in attributes if one.type.dotted_string == kind for value in one.values.as_list()
    ]
