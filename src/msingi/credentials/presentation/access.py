"""The certificates by which a wallet recognises who asks (OpenID4VP 5.9.3; HAIP 1.0, 5.1).

The stack is the access authority of its country: under its own certificate it certifies one name for each
institution, all for one request-signing key. So a wallet shows its holder the institution's name, and `x509_hash`
stands for that institution as long as its certificate lives.
"""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from msingi.kernel.keys import Signer

AUTHORITY_DAYS, LEAF_DAYS, RENEW_DAYS = 3650, 397, 30


def signed_by(unsigned: x509.CertificateBuilder, signer: Signer) -> bytes:
    """The certificate in DER, signed by a signer that may live in a hardware module.

    The library signs with a key that is thrown away; then the true signature takes the place of that one, over the
    same bytes (RFC 5280, 4.1.1).
    """
    draft = unsigned.sign(ec.generate_private_key(ec.SECP256R1()), SHA256())
    raw = signer.sign(draft.tbs_certificate_bytes)
    signature = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")  # ecdsa-with-SHA256 (RFC 5758, 3.2)
    return _der(0x30, draft.tbs_certificate_bytes + algorithm + _der(0x03, b"\0" + signature))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + content


def _name(country: str, organisation: str, common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, country),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation[:64]),
            x509.NameAttribute(NameOID.COMMON_NAME, common[:64]),
        ]
    )


def _begun(
    country: str, organisation: str, common: str, key: ec.EllipticCurvePublicKey, at: datetime, days: int
) -> x509.CertificateBuilder:
    start = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(country, organisation, common))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
    )


def _usage(*, certifies: bool) -> x509.KeyUsage:
    return x509.KeyUsage(not certifies, False, False, False, False, certifies, certifies, False, False)


def _identifier(key: ec.EllipticCurvePublicKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key)


def authority(country: str, organisation: str, signer: Signer, at: datetime) -> bytes:
    """The access authority's own certificate in DER, which wallets of the country hold as their anchor."""
    key = signer.public_key
    assert isinstance(key, ec.EllipticCurvePublicKey)
    made = (
        _begun(country, organisation, f"{organisation[:40]} access", key, at, AUTHORITY_DAYS)
        .issuer_name(_name(country, organisation, f"{organisation[:40]} access"))
        .add_extension(x509.BasicConstraints(True, 0), True)
        .add_extension(_usage(certifies=True), True)
        .add_extension(_identifier(key), False)
    )
    return signed_by(made, signer)


def leaf(
    root: bytes, root_signer: Signer, signer: Signer, institution: tuple[str, str], host: str, at: datetime
) -> bytes:
    """A certificate in DER for `institution` (its name, its code), with `host` as DNS name if it is one."""
    issuer, key = x509.load_der_x509_certificate(root), signer.public_key
    assert isinstance(key, ec.EllipticCurvePublicKey) and isinstance(root_signer.public_key, ec.EllipticCurvePublicKey)
    [country] = issuer.subject.get_attributes_for_oid(NameOID.COUNTRY_NAME)
    name, code = institution
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(f"urn:msingi:institution:{code}")]
    if is_dns_name(host):
        names.insert(0, x509.DNSName(host))
    made = (
        _begun(str(country.value), name, name, key, at, LEAF_DAYS)
        .issuer_name(issuer.subject)
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(_usage(certifies=False), True)
        .add_extension(_identifier(key), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_signer.public_key), False)
        .add_extension(x509.SubjectAlternativeName(names), False)
    )
    return signed_by(made, root_signer)


def is_dns_name(host: str) -> bool:
    """Whether a host is a name and no address."""
    return bool(host) and not host.replace(".", "").isdigit() and ":" not in host


def ends(der: bytes) -> datetime:
    """When a certificate ends."""
    return x509.load_der_x509_certificate(der).not_valid_after_utc


def as_pem(der: bytes) -> str:
    """A certificate as PEM."""
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM).decode()
