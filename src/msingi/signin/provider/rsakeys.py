"""The provider's RSA key, for software that verifies RS256 (OpenID Connect Core, section 15.1), with its certificate.

It is made when the first software registers for RS256, or binds a wallet. It stands in a table, wrapped under the
keystore, so that all machines of a stack sign with the same one; it is made anew every year, published before it signs,
and goes on being published long after it signed last. FAPI clients never see it (decision 0039).
"""

import asyncio
import base64
import hashlib
import time
from datetime import datetime, timedelta
from typing import Any

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from cryptography.x509.oid import NameOID

from msingi.kernel import clock, log, policy
from msingi.kernel.context import job_context
from msingi.kernel.stack import Stack
from msingi.signin import store, wire
from msingi.signin.model import Client
from msingi.signin.wire import RS256, b64

BITS = 2048
SIGNS = timedelta(days=365)
PUBLISHED = timedelta(days=2 * 365)
CERTIFIED = timedelta(days=3 * 365)
AHEAD = timedelta(minutes=10)  # a new key is published for so long before it signs beside an older one
REMEMBERED_S = 60.0
_KEPT = "signin.rsa-keys"


class RsaKey(msgspec.Struct, frozen=True):
    """One version: its private key, its public JWK with certificate, the certificate, and when it was made."""

    key: rsa.RSAPrivateKey
    jwk: dict[str, Any]
    certificate: x509.Certificate
    made_at: datetime


def _whole(number: int) -> str:
    return b64(number.to_bytes((number.bit_length() + 7) // 8))


def public_jwk(certificate: x509.Certificate) -> dict[str, Any]:
    """The JWK of a certified RSA key (RFC 7517, section 4), with the RFC 7638 thumbprint as `kid`.

    `exp`, the end of the certificate, is what eSignet adds.
    """
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    members = {"e": _whole(key.public_numbers().e), "kty": "RSA", "n": _whole(key.public_numbers().n)}
    der = certificate.public_bytes(Encoding.DER)
    return members | {
        "kid": b64(hashlib.sha256(msgspec.json.encode(members, order="sorted")).digest()),
        "alg": RS256,
        "use": "sig",
        "x5c": [base64.b64encode(der).decode()],
        "x5t#S256": b64(hashlib.sha256(der).digest()),
        "exp": certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    }


def certificate(
    subject: str,
    key: CertificatePublicKeyTypes,
    signer: rsa.RSAPrivateKey,
    issuer: str,
    times: tuple[datetime, datetime],
) -> x509.Certificate:
    """A certificate of `signer` that `key` is the subject's; the provider's own, if subject and issuer are the same."""

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])

    own = subject == issuer
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(times[0])
        .not_valid_after(times[1])
        .add_extension(x509.BasicConstraints(ca=own, path_length=0 if own else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, SHA256())
    )


def _label(kid: str) -> bytes:
    return f"signin.provider-key|{kid}".encode()


async def known(stack: Stack, *, fresh: bool = False) -> tuple[RsaKey, ...]:
    """The versions that verifiers must accept, the newest first; looked up anew after a minute, or when `fresh`."""
    kept: Any = stack.local.get(_KEPT)
    if kept is not None and not fresh and kept[0] > time.monotonic():
        return kept[1]
    before: dict[str, RsaKey] = {} if kept is None else {one.jwk["kid"]: one for one in kept[1]}
    async with stack.db.reading("signin") as tx:
        rows = await store.provider_keys(tx, clock.now() - PUBLISHED)
    found: list[RsaKey] = []
    for row in rows:
        if row["kid"] not in before:
            private = load_der_private_key(stack.keys.unwrap(bytes(row["wrapped"]), _label(row["kid"])), None)
            assert isinstance(private, rsa.RSAPrivateKey)
            own = x509.load_der_x509_certificate(bytes(row["certificate"]))
            before[row["kid"]] = RsaKey(private, public_jwk(own), own, row["made_at"])
        found.append(before[row["kid"]])
    stack.local[_KEPT] = (time.monotonic() + REMEMBERED_S, tuple(found))
    return tuple(found)


async def public(stack: Stack) -> list[dict[str, Any]]:
    """The public keys, newest first; none where no software registered for RS256."""
    return [one.jwk for one in await known(stack)]


async def make(stack: Stack) -> None:
    """Make a new version, certified by itself."""
    ctx = job_context("signin")
    permit = policy.decide(ctx, "signin.make-provider-key", policy.NOBODY)
    private = await asyncio.to_thread(rsa.generate_private_key, 65537, BITS)
    issuer = stack.settings.url
    times = (ctx.at - timedelta(days=1), ctx.at + CERTIFIED)
    own = certificate(issuer, private.public_key(), private, issuer, times)
    kid = public_jwk(own)["kid"]
    plain = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    async with stack.db.transaction(permit) as tx:
        wrapped = stack.keys.wrap(plain, _label(kid))
        await store.put_provider_key(tx, kid, wrapped, own.public_bytes(Encoding.DER), ctx.at)
        log.append(tx, permit, detail={"kid": kid, "alg": RS256})


async def signer(stack: Stack) -> RsaKey:
    """The version that signs now, made first where there is none, or the newest is a year old."""
    found, now = await known(stack), clock.now()
    if not found or found[0].made_at < now - SIGNS:
        await make(stack)
        found = await known(stack, fresh=True)
    return next((one for one in found if one.made_at <= now - AHEAD), found[-1])


async def ready(stack: Stack, client: Client) -> None:
    """See to it that the key is published before software that verifies RS256 gets its first token."""
    if client.id_token_signed_response_alg == RS256:
        await signer(stack)


async def signed_for(stack: Stack, client: Client, typ: str, claims: Any) -> str:
    """A compact JWS for this client, by the algorithm that it registered for."""
    if client.id_token_signed_response_alg != RS256:
        return wire.sign(stack.keys, typ, claims)
    by = await signer(stack)
    head = b64(msgspec.json.encode({"alg": RS256, "kid": by.jwk["kid"], "typ": typ}))
    message = f"{head}.{b64(msgspec.json.encode(claims))}"
    return f"{message}.{b64(by.key.sign(message.encode(), padding.PKCS1v15(), SHA256()))}"
