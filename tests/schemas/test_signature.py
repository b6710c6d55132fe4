"""Signatures of files: what is right, and each way in which one is not."""

import base64
import hashlib
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7

from schemas.declarations.signature import Signature, SignatureError, fingerprint

PART = b"<Dimona/>"
TODAY = date(2026, 11, 28)
#: By OpenSSL 3.0, of an invented key: over PART, with attributes; and without any, its key named by its identifier.
BY_OPENSSL = """
MIIDFAYJKoZIhvcNAQcCoIIDBTCCAwECAQExDTALBglghkgBZQMEAgEwCwYJKoZIhvcNAQcBoIIBbzCCAWswggERoAMCAQICAjA5
MAoGCCqGSM49BAMCMBQxEjAQBgNVBAMMCXN5bnRoZXRpYzAeFw0yNjExMjgxNTA1NTdaFw0zNjExMjUxNTA1NTdaMBQxEjAQBgNV
BAMMCXN5bnRoZXRpYzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABE0sipuJO59dbD+vfv09dYmU2x+DdiXcrzPYfNIzR49C1kdG
E1Rgj7XIPcsb7l5ta+yqCHSbGpQ1vJHUN2gLnVujUzBRMB0GA1UdDgQWBBTnhspeXujeL20DRUdbHYSc7W5N3zAfBgNVHSMEGDAW
gBTnhspeXujeL20DRUdbHYSc7W5N3zAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCRHWGfm0ikHkx3+nBFM0Rb
kt9+Ki+khJjuMU2R63mXBAIgWX2vUFveOnXOWpK7FzVAtX9vhskPwYy8kXjlhOQSXb4xggFrMIIBZwIBATAaMBQxEjAQBgNVBAMM
CXN5bnRoZXRpYwICMDkwCwYJYIZIAWUDBAIBoIHkMBgGCSqGSIb3DQEJAzELBgkqhkiG9w0BBwEwHAYJKoZIhvcNAQkFMQ8XDTI2
MTEyODE1MDU1N1owLwYJKoZIhvcNAQkEMSIEICSyQywArKY1I6J11PMZ3BC8Xm3g/pWMhEZtoQjO9O6MMHkGCSqGSIb3DQEJDzFs
MGowCwYJYIZIAWUDBAEqMAsGCWCGSAFlAwQBFjALBglghkgBZQMEAQIwCgYIKoZIhvcNAwcwDgYIKoZIhvcNAwICAgCAMA0GCCqG
SIb3DQMCAgFAMAcGBSsOAwIHMA0GCCqGSIb3DQMCAgEoMAoGCCqGSM49BAMCBEYwRAIgRSWpRE5QfzquyZN6fJsCRcAZQLxf5yGS
rQRs4ayJ0boCICy4A5OJmpC07U3fwhCkIMZAZGQ+pUvQC+DP1+4xiUaG
"""
BARE_BY_OPENSSL = """
MIICJAYJKoZIhvcNAQcCoIICFTCCAhECAQMxDTALBglghkgBZQMEAgMwCwYJKoZIhvcNAQcBoIIBbzCCAWswggERoAMCAQICAjA5
MAoGCCqGSM49BAMCMBQxEjAQBgNVBAMMCXN5bnRoZXRpYzAeFw0yNjExMjgxNTA1NTdaFw0zNjExMjUxNTA1NTdaMBQxEjAQBgNV
BAMMCXN5bnRoZXRpYzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABE0sipuJO59dbD+vfv09dYmU2x+DdiXcrzPYfNIzR49C1kdG
E1Rgj7XIPcsb7l5ta+yqCHSbGpQ1vJHUN2gLnVujUzBRMB0GA1UdDgQWBBTnhspeXujeL20DRUdbHYSc7W5N3zAfBgNVHSMEGDAW
gBTnhspeXujeL20DRUdbHYSc7W5N3zAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIQCRHWGfm0ikHkx3+nBFM0Rb
kt9+Ki+khJjuMU2R63mXBAIgWX2vUFveOnXOWpK7FzVAtX9vhskPwYy8kXjlhOQSXb4xfTB7AgEDgBTnhspeXujeL20DRUdbHYSc
7W5N3zALBglghkgBZQMEAgMwCgYIKoZIzj0EAwQERzBFAiEAhzEKzAWnIOcYXXdUkXR+Eatl3GyTKnrS22Pji54Wu8UCIFUhcJaL
HO7c+95D9TU6GQIRrG9BPUGHVXzmdrR67M7p
"""
CURVES = {"EC": ec.SECP256R1(), "EC of 192 bits": ec.SECP192R1()}


@cache
def key(kind: str) -> Any:
    if kind in CURVES:
        return ec.generate_private_key(CURVES[kind])
    return rsa.generate_private_key(65537, int(kind))


@cache
def certificate(kind: str, begin: date = TODAY, end: date = TODAY) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "synthetic")])
    at = [datetime(day.year, day.month, day.day, 12, tzinfo=UTC) for day in (begin, end)]
    at[1] = at[1].replace(hour=23, minute=59, second=59) if end == date.max else at[1] + timedelta(hours=1)
    own = key(kind)
    return (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(own.public_key())
        .serial_number(7).not_valid_before(at[0]).not_valid_after(at[1]).sign(own, hashes.SHA256())
    )  # fmt: skip


def signed(
    kind: str = "EC", over: bytes = PART, *, options: tuple[Any, ...] = (), by: Any = None, **more: Any
) -> bytes:
    builder = pkcs7.PKCS7SignatureBuilder().set_data(over)
    builder = builder.add_signer(by or certificate(kind), key(kind), more.pop("digest", hashes.SHA256()), **more)
    wanted = [pkcs7.PKCS7Options.Binary, *(options or (pkcs7.PKCS7Options.DetachedSignature,))]
    return base64.encodebytes(builder.sign(serialization.Encoding.DER, wanted))


def judged(text: bytes, part: bytes = PART, day: date = TODAY, registered: Any = None) -> tuple[str, ...]:
    signature = Signature.parse(text)
    digest = hashlib.new(signature.digest, part).digest()
    return signature.judged(digest, day, {signature.fingerprint} if registered is None else registered)


BARE = (pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.NoAttributes)
PSS = {"rsa_padding": padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(lambda: signed(), id="EC"),
        pytest.param(lambda: signed("2048"), id="RSA"),
        pytest.param(lambda: signed("2048", **PSS), id="PSS"),
        pytest.param(lambda: signed(digest=hashes.SHA512()), id="SHA-512"),
        pytest.param(lambda: signed(options=BARE), id="without attributes"),
        pytest.param(lambda: BY_OPENSSL.encode(), id="OpenSSL's"),
        pytest.param(lambda: BARE_BY_OPENSSL.encode(), id="OpenSSL's without attributes"),
    ],
)
def test_what_is_right_is_so_over_its_part_alone(text):
    day = TODAY + timedelta(days=1) if "OpenSSL" in str(text) else TODAY
    assert judged(text(), day=day) == ()
    assert judged(text(), PART + b" ", day) == ("125",)


def test_openssls_certificate_has_the_fingerprint_that_openssl_prints():
    signature = Signature.parse(BY_OPENSSL.encode())
    assert signature.fingerprint == "b4bd6ac31ac0e413d35ba935a1a85b94a9d27b91eea49d4e7ed1776ae4ce2681"


@pytest.mark.parametrize(
    ("day", "registered", "codes"),
    [
        (TODAY, None, ()),
        (TODAY, (), ("153",)),
        (TODAY - timedelta(days=1), None, ("154",)),
        (TODAY + timedelta(days=1), None, ("154",)),
        (TODAY + timedelta(days=1), ("0" * 64,), ("153", "154")),
    ],
)
def test_whose_certificate_it_is_and_whether_it_is_in_force(day, registered, codes):
    assert judged(signed(), day=day, registered=registered) == codes


def test_a_certificate_that_is_in_force_for_good():
    """Until 9999-12-31T23:59:59Z (RFC 5280), which is no moment in Belgium."""
    for_good = certificate("EC", TODAY, date.max)
    assert judged(signed(by=for_good)) == ()
    assert judged(signed(by=for_good), day=TODAY - timedelta(days=1)) == ("154",)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"no base64!", id="no base64"),
        pytest.param(b"\xff\xfe", id="bytes"),
        pytest.param(base64.b64encode(b"<Dimona/>"), id="no DER"),
        pytest.param(lambda: base64.b64encode(base64.b64decode(signed())[:-1]), id="cut off"),
        pytest.param(lambda: base64.b64encode(base64.b64decode(signed()) + b"\0"), id="more behind it"),
        pytest.param(lambda: base64.b64decode(signed()), id="DER itself"),
        pytest.param(lambda: signed(options=(pkcs7.PKCS7Options.NoCapabilities,)), id="not detached"),
        pytest.param(
            lambda: signed(options=(pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.NoCerts)),
            id="no certificate",
        ),
        pytest.param(lambda: signed("1024"), id="RSA of 1024 bits"),
        pytest.param(lambda: signed("EC of 192 bits"), id="a curve of 192 bits"),
        pytest.param(lambda: signed("2048", digest=hashes.SHA224()), id="SHA-224"),
        pytest.param(lambda: two_signers(), id="two signers"),
    ],
)
def test_what_cannot_be_right_is_no_signature(text):
    with pytest.raises(SignatureError):
        Signature.parse(text() if callable(text) else text)


def two_signers() -> bytes:
    builder = pkcs7.PKCS7SignatureBuilder().set_data(PART)
    for kind in ("EC", "2048"):
        builder = builder.add_signer(certificate(kind), key(kind), hashes.SHA256())
    options = [pkcs7.PKCS7Options.Binary, pkcs7.PKCS7Options.DetachedSignature]
    return base64.b64encode(builder.sign(serialization.Encoding.DER, options))


@pytest.mark.parametrize("options", [BARE, ()], ids=["bare", "with attributes"])
def test_no_changed_byte_is_right(options):
    """Of the certificate and the signature itself: a version beside them says nothing. Each is told, whatever it
    breaks."""
    right, own = base64.b64decode(signed(options=options)), certificate("EC").public_bytes(serialization.Encoding.DER)
    begins = right.index(own)
    vital = {*range(begins, begins + len(own)), *range(len(right) - 60, len(right))}
    for at in range(len(right)):
        changed = bytearray(right)
        changed[at] ^= 0x01
        try:
            codes = judged(base64.b64encode(bytes(changed)), registered=[fingerprint(certificate("EC"))])
        except SignatureError:
            continue
        assert codes or at not in vital, at
