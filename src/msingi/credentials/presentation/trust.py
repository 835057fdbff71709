"""Whom this country trusts to issue what: certificate chains (RFC 5280) and issuers' own keys, both kept here.

The list is data: `trusted-issuers.toml` beside the keystore (the operator's), besides the stack's own issuer. Nothing
is fetched when a credential is checked (law 5): what an issuer publishes is fetched ahead by a job.
"""

import hashlib
import tomllib
from base64 import b64decode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import ExtensionPolicy, PolicyBuilder, Store, VerificationError
from msgspec import Struct

from msingi.credentials.presentation.errors import IssuerNotTrusted, Refused, Unreadable
from msingi.credentials.presentation.wire import from_base64url

PublicKey = EllipticCurvePublicKey | Ed25519PublicKey
FILE = "trusted-issuers.toml"
_P256 = frozenset({"ES256", "ESP256", "-7", "-9"})  # JOSE names and COSE numbers of one algorithm (RFC 9864)
_ED25519 = frozenset({"EdDSA", "Ed25519", "-8", "-19"})
MOST_CHAIN, CHAINS_KEPT, CHAIN_KEPT_S = 5, 2_000, 300


class Issuer(Struct, frozen=True):
    """Who signed a credential, once that is established: name, signing key, the chain's authority key identifiers.

    `own` says that it is this stack's own issuer.
    """

    name: str
    key: PublicKey
    akis: tuple[bytes, ...]
    own: bool


class Anchor(Struct, frozen=True):
    """A certificate authority that certifies issuers. `kinds` are the types it stands for; empty: all."""

    name: str
    certificate: x509.Certificate
    kinds: frozenset[str] = frozenset()
    own: bool = False


class Published(Struct, frozen=True):
    """An issuer known by its own published keys (SD-JWT VC 3.4); kid -> key, as they were last fetched."""

    name: str
    keys: Mapping[str, PublicKey]
    kinds: frozenset[str] = frozenset()
    own: bool = False


class Entry(Struct, frozen=True, forbid_unknown_fields=True):
    """One issuer of the list: a CA certificate (PEM), or the address of its JWT VC issuer metadata, or both.

    `status_lists` are addresses of status lists, or of aggregations of them, to be fetched ahead.
    """

    name: str
    certificate: str = ""
    issuer: str = ""
    kinds: tuple[str, ...] = ()
    status_lists: tuple[str, ...] = ()


class _Listed(Struct, forbid_unknown_fields=True):
    issuer: tuple[Entry, ...] = ()


class Trusted:
    """The anchors and published issuers in force; chains that were verified are remembered for some minutes."""

    def __init__(self, anchors: Sequence[Anchor] = (), published: Mapping[str, Published] | None = None) -> None:
        self.anchors = {a.certificate.fingerprint(SHA256()): a for a in anchors}
        self.published = dict(published or {})
        self._store = Store([a.certificate for a in anchors]) if anchors else None
        self._known: dict[bytes, tuple[int, x509.Certificate, Anchor, tuple[bytes, ...]]] = {}

    def issuer_of_jwt(
        self, header: Mapping[str, Any], claims: Mapping[str, Any], kinds: Sequence[str], now: int
    ) -> Issuer:
        """Who signed a JWT: by `x5c`, or by `iss` and `kid` (SD-JWT VC 3.5). Raises IssuerNotTrusted, Unreadable."""
        chain = header.get("x5c")
        if chain is None:
            return self._by_name(str(claims.get("iss", "")), str(header.get("kid", "")), kinds)
        if not isinstance(chain, list) or not all(isinstance(one, str) for one in chain):
            raise Unreadable("The certificates are not a list of texts.", rule="x5c", clause="RFC 7515 4.1.6")
        try:
            ders = [b64decode(one, validate=True) for one in chain]
        except ValueError:
            raise Unreadable("A certificate is not base64.", rule="x5c", clause="RFC 7515 4.1.6") from None
        return self.issuer_of_chain(ders, kinds, now)

    def _by_name(self, name: str, kid: str, kinds: Sequence[str]) -> Issuer:
        found = self.published.get(name)
        if found is None:
            raise IssuerNotTrusted("Nobody of this name is trusted.", rule="iss", clause="SD-JWT VC 3.5")
        _may_issue(found.kinds, kinds)
        key = found.keys.get(kid)
        if key is None:
            raise IssuerNotTrusted("The issuer has no such key.", rule="kid", clause="SD-JWT VC 3.5")
        return Issuer(found.name, key, (), found.own)

    def issuer_of_chain(self, chain: Sequence[bytes], kinds: Sequence[str], now: int) -> Issuer:
        """Who is certified by a chain of DER certificates, leaf first (RFC 5280, 6.1).

        Raises IssuerNotTrusted unless it ends at an anchor that stands for one of `kinds`, Unreadable for rubbish.
        """
        leaf, anchor, akis = self._chain(chain, now)
        if kinds:
            _may_issue(anchor.kinds, kinds)
        key = leaf.public_key()
        if not _usable(key):
            raise IssuerNotTrusted("The issuer's key is of a kind that is not accepted.", rule="x5c-key")
        return Issuer(_name_of(leaf) or anchor.name, key, akis, anchor.own)  # type: ignore[arg-type]

    def _chain(self, chain: Sequence[bytes], now: int) -> tuple[x509.Certificate, Anchor, tuple[bytes, ...]]:
        if not 0 < len(chain) <= MOST_CHAIN:
            raise Unreadable("A chain has one to five certificates.", rule="x5c", clause="RFC 7515 4.1.6")
        mark = hashlib.sha256(b"".join(len(der).to_bytes(4) + der for der in chain)).digest()
        known = self._known.get(mark)
        if known is None or known[0] <= now or known[0] > now + CHAIN_KEPT_S:
            if len(self._known) >= CHAINS_KEPT:
                self._known.clear()
            found = self._verified(chain, now)
            ends = min(int(c.not_valid_after_utc.timestamp()) for c in (found[0], found[1].certificate))
            known = self._known[mark] = (min(now + CHAIN_KEPT_S, ends), *found)
        return known[1:]

    def _verified(self, chain: Sequence[bytes], now: int) -> tuple[x509.Certificate, Anchor, tuple[bytes, ...]]:
        certificates, akis = _read(chain)
        leaf = certificates[0]
        if leaf.issuer == leaf.subject:
            raise IssuerNotTrusted("The issuer certified itself.", rule="self-signed", clause="HAIP 1.0 6.1.1")
        if self._store is None:
            raise IssuerNotTrusted("No issuer is trusted here.", rule="anchors")
        policy = (
            PolicyBuilder()
            .store(self._store)
            .time(datetime.fromtimestamp(now, UTC))
            .extension_policies(ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=ExtensionPolicy.permit_all())
        )
        try:
            path = policy.build_client_verifier().verify(leaf, certificates[1:]).chain
        except (VerificationError, ValueError):
            raise IssuerNotTrusted("The chain ends at nobody trusted.", rule="x5c", clause="RFC 5280 6.1") from None
        return leaf, self.anchors[path[-1].fingerprint(SHA256())], akis


def _read(chain: Sequence[bytes]) -> tuple[list[x509.Certificate], tuple[bytes, ...]]:
    """The certificates, and their authority key identifiers. Raises Unreadable.

    The library reads parts of a certificate only when they are asked for, so all that is used is asked for here.
    """
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in chain]
        akis = tuple(filter(None, map(aki_of, certificates)))
        for certificate, der in zip(certificates, chain, strict=True):
            certificate.public_key(), certificate.issuer, _name_of(certificate), certificate.not_valid_after_utc
            if certificate.public_bytes(Encoding.DER) != der:
                raise ValueError("not DER")
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension):
        raise Unreadable("A certificate cannot be read.", rule="x5c", clause="RFC 5280 4.1") from None
    return certificates, akis


def _may_issue(allowed: frozenset[str], kinds: Sequence[str]) -> None:
    if allowed and not allowed & set(kinds[:1]):
        raise IssuerNotTrusted("The issuer is not trusted for this kind of credential.", rule="kind")


def _usable(key: object) -> bool:
    return isinstance(key, Ed25519PublicKey) or (
        isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    )


def _name_of(certificate: x509.Certificate) -> str:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(names[0].value) if names else ""


def aki_of(certificate: x509.Certificate) -> bytes | None:
    """The key identifier of the authority that signed a certificate (RFC 5280, 4.2.1.1), if it names one."""
    try:
        return certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    except x509.ExtensionNotFound:
        return None


def key_of_jwk(jwk: Mapping[str, Any], wrong: type[Refused]) -> PublicKey:
    """The public key in a JWK (EC P-256 or OKP Ed25519; nothing else is needed of it). Raises `wrong`."""
    try:
        x = from_base64url(str(jwk["x"]))
        if (jwk.get("kty"), jwk.get("crv")) == ("OKP", "Ed25519"):
            return Ed25519PublicKey.from_public_bytes(x)
        if (jwk.get("kty"), jwk.get("crv")) == ("EC", "P-256"):
            y = from_base64url(str(jwk["y"]))
            if len(x) == len(y) == 32:
                return EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), SECP256R1()).public_key()
    except (KeyError, ValueError):
        pass
    raise wrong("The key is not one that can be used.", rule="jwk", clause="RFC 7517 4")


def check_signature(key: PublicKey, alg: str, signature: bytes, signed: bytes, wrong: type[Refused]) -> None:
    """Nothing, if the 64-byte `signature` over `signed` is of `key` by `alg` (JOSE name or COSE number as text).

    Raises `wrong` otherwise (RFC 7515, 5.2; RFC 9052, 4.4).
    """
    kind = _P256 if isinstance(key, EllipticCurvePublicKey) else _ED25519
    if alg not in kind:
        raise wrong("The algorithm is not the key's.", rule="alg", clause="RFC 7515 4.1.1")
    if len(signature) != 64:
        raise wrong("The signature has a wrong length.", rule="signature", clause="RFC 7518 3.4")
    try:
        if isinstance(key, Ed25519PublicKey):
            key.verify(signature, signed)
        else:
            r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
            key.verify(encode_dss_signature(r, s), signed, ECDSA(SHA256()))
    except InvalidSignature:
        raise wrong("The signature does not fit.", rule="signature", clause="RFC 7515 5.2") from None


def read_list(path: Path) -> tuple[Entry, ...]:
    """The issuers that the operator trusts; none if there is no file.

    Raises ValueError, naming the file and what is wrong with it.
    """
    if not path.is_file():
        return ()
    try:
        listed = msgspec.convert(tomllib.loads(path.read_text("utf-8")), _Listed).issuer
        for entry in listed:
            anchor_of(entry)
            if not entry.certificate and not entry.issuer:
                raise ValueError(f"{entry.name}: give a certificate, or the issuer's address")
    except (ValueError, msgspec.ValidationError) as wrong:
        raise ValueError(f"{path}: {wrong}") from None
    return listed


def anchor_of(entry: Entry) -> Anchor | None:
    """The anchor of an entry of the list, None if it has no certificate. Raises ValueError for a bad one."""
    if not entry.certificate:
        return None
    certificate = x509.load_pem_x509_certificate(entry.certificate.encode())
    if certificate.issuer != certificate.subject:
        raise ValueError(f"{entry.name}: an anchor is a certificate authority's own certificate")
    return Anchor(entry.name, certificate, frozenset(entry.kinds))
