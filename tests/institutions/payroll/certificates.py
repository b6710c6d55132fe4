"""A key and its certificate, as a sender has them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from schemas.declarations.signature import Signer


def signer() -> Signer:
    """A new one, in force today."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a sender (synthetic)")])
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=300)
    )
    return Signer(key, builder.sign(key, hashes.SHA256()))


def write(one: Signer, folder: Path) -> tuple[Path, Path]:
    """Its key and certificate in PEM."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    key.write_bytes(one.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate.write_bytes(one.certificate.public_bytes(Encoding.PEM))
    return key, certificate
