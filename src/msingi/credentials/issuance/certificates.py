"""The issuer as verifiers know it: the key that signs, its certificate, and the root that is kept apart.

The root's key lies in a keystore of its own (`issuer-root` in the stack's home). It is opened when a document signer
needs a certificate, and only then: it can be kept on a medium in a safe, and the stack runs on without it.
"""

import base64
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from msingi.credentials.forms import chain, jose, sdjwt, vcjwt
from msingi.credentials.issuance import store
from msingi.kernel import clock, log, policy
from msingi.kernel.context import job_context
from msingi.kernel.errors import Outage
from msingi.kernel.keys import Keystore, Signer, SoftwareSigner
from msingi.kernel.stack import Stack

KEY = "issuer"
ROOT_FOLDER = "issuer-root"
_KEPT = "credentials.issuer"


class Issuer(msgspec.Struct, frozen=True):
    """What signs: the key, its certificate in DER and as `x5c`, and the two headers that never change."""

    signer: Signer
    certificate: bytes
    x5c: tuple[str, ...]
    sd_jwt_header: str
    vc_header: str


class Anchors(msgspec.Struct, frozen=True):
    """What verifiers fetch once: roots and document signers in DER, the newest first, and the revocation list."""

    roots: tuple[bytes, ...]
    signers: tuple[bytes, ...]
    revocations: bytes


def subject(stack: Stack) -> chain.Subject:
    """Who issues, as certificates name it."""
    profile = stack.profile
    name = profile.authority.name
    return chain.Subject(profile.alpha2, name.get("en") or profile.say(name), stack.settings.url)


def issuer(stack: Stack) -> Issuer:
    """What signs now. Raises Outage while its key has no certificate."""
    known: Any = stack.local.get(_KEPT)
    if known is None:
        raise Outage("the issuer's key has no certificate yet: see docs/how-to/issue-credentials.md")
    return known


async def anchors(stack: Stack) -> Anchors:
    """All certificates that verifiers may need."""
    async with stack.db.reading("credentials") as tx:
        found = await store.certificates(tx)
    of = {role: tuple(der for r, _, der in found if r == role) for role in ("root", "signer", "revocations")}
    return Anchors(of["root"], of["signer"], of["revocations"][0] if of["revocations"] else b"")


async def start(stack: Stack) -> None:
    """Find the certificate of the signing key, or have the root make one; safe to repeat."""
    signer = stack.keys.signer(KEY)
    async with stack.db.reading("credentials") as tx:
        found = await store.certificates(tx)
    mine = next((der for role, kid, der in found if (role, kid) == ("signer", signer.kid)), b"")
    now = clock.now()
    if not mine or chain.days_left(mine, now) < chain.RENEW_DAYS:
        made = await _certify(stack, signer, next((der for role, _, der in found if role == "root"), b""))
        mine = made or mine
    if mine and chain.days_left(mine, now) >= 0:
        x5c = (base64.b64encode(mine).decode(),)
        heads = jose.header(signer, sdjwt.TYP, x5c), jose.header(signer, vcjwt.TYP, x5c, cty="vc")
        stack.local[_KEPT] = Issuer(signer, mine, x5c, *heads)


def root_keys(stack: Stack, *, make: bool) -> Keystore | None:
    """The root's keystore; None if it is not here and not to be made."""
    folder = Path(stack.settings.home) / ROOT_FOLDER
    if not make and not (folder / "keystore").exists():
        return None
    return Keystore.open(folder)


async def _certify(stack: Stack, signer: Signer, root_der: bytes) -> bytes:
    """A certificate for the signing key from the root, which is made first if there never was one.

    Gives nothing if the root is not at hand: then the present certificate serves until its end.
    """
    keys = root_keys(stack, make=not root_der)
    if keys is None:
        return b""
    root, now = keys.signer(KEY), clock.now()
    assert isinstance(root, SoftwareSigner)
    key = root.private_key
    assert isinstance(key, EllipticCurvePrivateKey)
    assert isinstance(signer.public_key, EllipticCurvePublicKey)
    ctx = job_context("credentials", "credential-issuance")
    permit = policy.decide(ctx, "credentials.certify", policy.NOBODY)
    who = subject(stack)
    async with stack.db.transaction(permit) as tx:
        if not root_der:
            root_der = chain.root(who, key, now)
            await store.keep_certificate(tx, "root", root.kid, root_der)
        der = chain.signer(who, root_der, key, signer.public_key, now)
        await store.keep_certificate(tx, "signer", signer.kid, der)
        await store.keep_certificate(tx, "revocations", root.kid, chain.revocation_list(root_der, key, [], now))
        log.append(tx, permit, detail={"what": "a document signer's certificate", "kid": signer.kid})
    return der
