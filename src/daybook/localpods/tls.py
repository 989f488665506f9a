"""The server's certificate, made once for its state folder.

kubectl sends a token only over TLS, so localpods needs a certificate; clients trust exactly this one through the
kubeconfig. The key that signs it is thrown away at once, so nobody can make another.
"""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from daybook.localpods.files import write_atomically
from daybook.localpods.kubeconfig import authority_file

_DAYS: Final = 3650
"""How long a certificate holds: longer than a state folder lives."""
_SKEW: Final = timedelta(hours=1)
_ADDRESS: Final = ipaddress.IPv4Address("127.0.0.1")


def server_context(state: Path) -> ssl.SSLContext:
    """What the server speaks TLS with; makes key and certificates when they are missing or no longer hold."""
    folder = authority_file(state).parent
    chain, key = folder / "server.crt", folder / "server.key"
    if not _holds(chain) or not key.exists() or not authority_file(state).exists():
        folder.mkdir(exist_ok=True, mode=0o700)
        _mint(authority_file(state), chain, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context


def _holds(chain: Path) -> bool:
    if not chain.exists():
        return False
    return x509.load_pem_x509_certificate(chain.read_bytes()).not_valid_after_utc > datetime.now(UTC)


def _mint(authority: Path, chain: Path, key_file: Path) -> None:
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localpods authority")])
    root = _authority(name, authority_key)
    leaf = _leaf(name, authority_key, key)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_atomically(key_file, private)
    write_atomically(chain, leaf.public_bytes(pem))
    write_atomically(authority, root.public_bytes(pem))


def _authority(name: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    builder = _builder(name, name, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return builder.sign(key, hashes.SHA256())


def _leaf(
    issuer: x509.Name, issuer_key: ec.EllipticCurvePrivateKey, key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localpods")])
    names = x509.SubjectAlternativeName([x509.IPAddress(_ADDRESS), x509.DNSName("localhost")])
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    builder = _builder(subject, issuer, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    builder = builder.add_extension(names, critical=False).add_extension(identifier, critical=False)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + timedelta(days=_DAYS))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
