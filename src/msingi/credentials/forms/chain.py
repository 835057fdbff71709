"""The issuer's certificates: a root that is kept apart, and document signers below it (ISO/IEC 18013-5, annex B).

The root's key signs a document signer's certificate and an empty revocation list, once in a long while; the running
stack signs credentials with the document signer's key and shows its certificate (`x5c`, `x5chain`), never the root's.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

ROOT_YEARS = 15
SIGNER_DAYS = 450
"""A document signer's certificate lives at most 457 days (ISO/IEC 18013-5, table B.3)."""
RENEW_DAYS = 60
"""A new certificate is made when the present one has fewer days left than this."""
_MDOC_SIGNER = x509.ObjectIdentifier("1.0.18013.5.1.2")


class Subject(msgspec.Struct, frozen=True):
    """Who issues: ISO 3166-1 alpha-2 country, the authority's name, and the stack's public address."""

    country: str
    organisation: str
    url: str


def root(subject: Subject, key: EllipticCurvePrivateKey, at: datetime) -> bytes:
    """A self-signed root certificate in DER, good for fifteen years from `at`, that signs document signers only."""
    starts = _day(at)
    name = _name(subject, "Root")
    own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(starts + timedelta(days=365 * ROOT_YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(own, critical=False)
        .add_extension(x509.IssuerAlternativeName([x509.UniformResourceIdentifier(subject.url)]), critical=False)
        .add_extension(_revocations(subject), critical=False)
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.DER)


def signer(
    subject: Subject, root_der: bytes, root_key: EllipticCurvePrivateKey, key: EllipticCurvePublicKey, at: datetime
) -> bytes:
    """A document signer's certificate for `key` in DER, issued by the root."""
    issuer = x509.load_der_x509_certificate(root_der)
    starts = _day(at)
    host = subject.url.partition("://")[2].partition("/")[0].partition(":")[0]
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(subject.url)]
    if not host.replace(".", "").isdigit():
        names.append(x509.DNSName(host))
    made = (
        x509.CertificateBuilder()
        .subject_name(_name(subject, "Document signer"))
        .issuer_name(issuer.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(starts + timedelta(days=SIGNER_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([_MDOC_SIGNER]), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.IssuerAlternativeName([x509.UniformResourceIdentifier(subject.url)]), critical=False)
        .add_extension(_revocations(subject), critical=False)
        .sign(root_key, SHA256())
    )
    return made.public_bytes(Encoding.DER)


def revocation_list(root_der: bytes, root_key: EllipticCurvePrivateKey, revoked: list[int], at: datetime) -> bytes:
    """The root's list of revoked document signers (serial numbers) in DER, good until their renewal at the latest."""
    issuer = x509.load_der_x509_certificate(root_der)
    starts = _day(at)
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(starts)
        .next_update(starts + timedelta(days=SIGNER_DAYS))
        .add_extension(x509.CRLNumber(int(starts.timestamp())), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
    )
    for serial in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(starts).build()
        made = made.add_revoked_certificate(entry)
    return made.sign(root_key, SHA256()).public_bytes(Encoding.DER)


def days_left(der: bytes, at: datetime) -> int:
    """Whole days until a certificate ends; negative when it has ended."""
    return (x509.load_der_x509_certificate(der).not_valid_after_utc - at).days


def checked(der: bytes, roots: list[bytes], at: datetime) -> Any:
    """The public key of a document signer's certificate that one of `roots` issued and that is good at `at`.

    Raises ValueError naming the rule: `self-signed`, `anchor`, `dates`, `usage`.
    """
    try:
        leaf = x509.load_der_x509_certificate(der)
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except (ValueError, x509.ExtensionNotFound):
        raise ValueError("usage") from None
    if leaf.subject == leaf.issuer:
        raise ValueError("self-signed")
    anchors = [x509.load_der_x509_certificate(root) for root in roots]
    if not any(_issued(leaf, anchor, at) for anchor in anchors):
        raise ValueError("anchor")
    if not leaf.not_valid_before_utc <= at <= leaf.not_valid_after_utc:
        raise ValueError("dates")
    if not usage.digital_signature:
        raise ValueError("usage")
    return leaf.public_key()


def _issued(leaf: x509.Certificate, anchor: x509.Certificate, at: datetime) -> bool:
    try:
        leaf.verify_directly_issued_by(anchor)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return anchor.not_valid_before_utc <= at <= anchor.not_valid_after_utc


def _day(at: datetime) -> datetime:
    """The day before: credentials are dated a day back, and a certificate must be older than what it signs."""
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)


def _name(subject: Subject, role: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, subject.country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, subject.organisation[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{subject.organisation[:40]} {role}"),
        ]
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


def _revocations(subject: Subject) -> x509.CRLDistributionPoints:
    where = x509.UniformResourceIdentifier(f"{subject.url}/credentials/trust/root.crl")
    return x509.CRLDistributionPoints([x509.DistributionPoint([where], None, None, None)])


def leaf_key(der: bytes) -> Any:
    """The public key in a certificate. Raises ValueError if it cannot be read."""
    return x509.load_der_x509_certificate(der).public_key()
