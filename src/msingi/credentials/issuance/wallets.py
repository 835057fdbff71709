"""Attested wallets: how software without a secret of its own proves at the token endpoint what it is.

Attestation-based client authentication, draft 10. It is still moving: its header names, `typ` values, method names and
errors stand here and nowhere else. Both forms are taken: a proof of its own beside the attestation, and the combined
one, in which the DPoP proof of the same key takes its place.
"""

import base64
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from cryptography import x509
from litestar import Request

from msingi.credentials.forms import jose
from msingi.credentials.issuance import nonces, proofs, store
from msingi.credentials.issuance.errors import InvalidAttestation, InvalidNonce, InvalidProofOfKey, RequestDenied
from msingi.credentials.issuance.model import Kind
from msingi.kernel import clock, web
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin.model import Client
from msingi.signin.provider.model import Held, Once

HEADER, HEADER_POP = "oauth-client-attestation", "oauth-client-attestation-pop"
TYP, TYP_POP = "oauth-client-attestation+jwt", "oauth-client-attestation-pop+jwt"
METHOD, METHOD_COMBINED = "attest_jwt_client_auth", "attest_jwt_client_auth_dpop"
_POP_AGE_S, _SKEW_S = 300, 60
_REMEMBERED_S = 5.0
_KEPT = "credentials.wallet-providers"


async def check_haip(stack: Stack, kind: Kind, held: Held) -> None:
    """Nothing, if the token may fetch this kind (HAIP 1.0, section 4). Raises RequestDenied, naming the rule.

    PKCE, the pushed request and `iss` are past by now: the scope of such a kind is for software registered as `fapi`.
    """
    if not kind.haip:
        return
    if held.client_id not in await providers(stack):
        raise RequestDenied("Only wallets of an accepted provider get this.", rule="HAIP 1.0, 4.4.1: attested wallet")
    if not held.jkt:
        raise RequestDenied("The token must be bound to a key.", rule="HAIP 1.0, 4: DPoP")


def anchor(certificate: str) -> bytes:
    """The DER of a certificate in PEM or base64. Raises ValueError."""
    text = certificate.strip()
    if text.startswith("-----"):
        loaded = x509.load_pem_x509_certificate(text.encode())
    else:
        loaded = x509.load_der_x509_certificate(base64.b64decode(text, validate=True))
    from cryptography.hazmat.primitives.serialization import Encoding

    return loaded.public_bytes(Encoding.DER)


def forget(stack: Stack) -> None:
    """Read the accepted providers again when they are needed next."""
    stack.local.pop(_KEPT, None)


async def providers(stack: Stack) -> dict[str, bytes]:
    """The anchors of accepted providers by client id; a change elsewhere is seen within some five seconds."""
    known: Any = stack.local.get(_KEPT)
    if known is None or known[0] < time.monotonic():
        if known is not None:  # whoever comes meanwhile goes on with what is known, and does not ask as well
            stack.local[_KEPT] = (time.monotonic() + _REMEMBERED_S, known[1])
        async with stack.db.reading("credentials") as tx:
            found = {client: der for client, _, der in await store.wallet_providers(tx)}
        known = stack.local[_KEPT] = (time.monotonic() + _REMEMBERED_S, found)
    return known[1]


async def prove(request: Request[Any, Any, Any], params: Mapping[str, str]) -> tuple[Client, tuple[Once, ...]] | None:
    """The attested client and what of its proof may not come twice; None where no attestation is shown, or where
    the DPoP proof is to take the place of the proof (`prove_combined`). Raises InvalidAttestation."""
    if HEADER not in request.headers or HEADER_POP not in request.headers:
        return None
    stack, now = web.stack(request), clock.now().timestamp()
    client, jwk = await _attested(stack, _single(request, HEADER), params, now)
    # The proof: typed, by the attested key, for this server only, now, once (draft 10, sections 5.2 and 8).
    header, claims, signed, signature = _parts(_single(request, HEADER_POP))
    if header.get("typ") != TYP_POP or "crit" in header:
        raise InvalidAttestation(rule="PoP: typ")
    _signed_by(jwk, header, signed, signature, "PoP: signature by the attested key")
    if claims.get("aud") != stack.settings.url:
        raise InvalidAttestation(rule="PoP: aud is the issuer")
    issued, jti = claims.get("iat"), claims.get("jti")
    if not proofs.is_number(issued) or not now - _POP_AGE_S <= issued <= now + _SKEW_S:
        raise InvalidAttestation(rule="PoP: iat is now")
    if not isinstance(jti, str) or not 0 < len(jti) <= 500:
        raise InvalidAttestation(rule="PoP: jti")
    if claims.get("iss", client.client_id) != client.client_id:
        raise InvalidAttestation(rule="PoP: iss")
    if "challenge" in claims:
        try:
            nonces.read(stack, claims["challenge"], now)
        except InvalidNonce:
            raise InvalidAttestation(rule="PoP: challenge of this server") from None
    once = Once(f"assertion|{client.client_id}|{jti}", int(issued) + _POP_AGE_S + _SKEW_S)
    return msgspec.structs.replace(client, auth=METHOD), (once,)


async def prove_combined(
    request: Request[Any, Any, Any], params: Mapping[str, str]
) -> tuple[Client, tuple[Once, ...]] | None:
    """The attested client whose DPoP proof is by the attested key; the token endpoint verifies that proof itself."""
    if HEADER not in request.headers or HEADER_POP in request.headers:
        return None
    stack, now = web.stack(request), clock.now().timestamp()
    client, jwk = await _attested(stack, _single(request, HEADER), params, now)
    header, _, _, _ = _parts(_single(request, "dpop"))
    shown = header.get("jwk")
    if not isinstance(shown, dict) or any(shown.get(name) != value for name, value in jwk.items()):
        raise InvalidAttestation(rule="DPoP proof by the attested key")
    return msgspec.structs.replace(client, auth=METHOD_COMBINED), ()


async def _attested(stack: Stack, text: str, params: Mapping[str, str], now: float) -> tuple[Client, dict[str, Any]]:
    """The client that an attestation names and the key that it vouches for (draft 10, section 5.1)."""
    header, claims, signed, signature = _parts(text)
    # 1. Typed, ES256.
    if header.get("typ") != TYP or header.get("alg") != "ES256" or "crit" in header:
        raise InvalidAttestation(rule="attestation: typ, alg")
    # 2. `sub` names a client whose provider of wallets is accepted, and that provider signed it.
    subject = claims.get("sub")
    accepted = await providers(stack)
    if not isinstance(subject, str) or subject not in accepted:
        raise InvalidAttestation(rule="attestation: sub is an accepted wallet")
    if params.get("client_id", subject) != subject:
        raise InvalidAttestation(rule="attestation: client_id is its sub")
    try:
        proofs.certified(header, signed, signature, (accepted[subject],), now, "attestation")
    except InvalidProofOfKey as wrong:
        raise InvalidAttestation(rule=str(wrong.facts.get("rule", "signature"))) from None
    # 3. Not over.
    expires = claims.get("exp")
    if not proofs.is_number(expires) or expires <= now:
        raise InvalidAttestation(rule="attestation: exp")
    if proofs.is_number(claims.get("iat")) and claims["iat"] > now + _SKEW_S:
        raise InvalidAttestation(rule="attestation: iat")
    # 4. The key of this instance.
    confirmed = claims.get("cnf")
    jwk = confirmed.get("jwk") if isinstance(confirmed, dict) else None
    if not isinstance(jwk, dict) or (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256") or "d" in jwk:
        raise InvalidAttestation(rule="attestation: cnf.jwk on P-256")
    return await signin.client(stack, subject), jose.bare_key(jwk)


def _single(request: Request[Any, Any, Any], name: str) -> str:
    found = request.headers.getall(name, [])
    if len(found) != 1:
        raise InvalidAttestation(rule=f"one {name} header")
    return found[0]


def _parts(text: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    try:
        return proofs.parts(text)
    except InvalidProofOfKey:
        raise InvalidAttestation(rule="a compact JWS") from None


def _signed_by(jwk: dict[str, Any], header: dict[str, Any], signed: bytes, signature: bytes, rule: str) -> None:
    if header.get("alg") != "ES256":
        raise InvalidAttestation(rule="alg")
    try:
        proofs.check_signature(jwk, "ES256", signature, signed)
    except InvalidProofOfKey:
        raise InvalidAttestation(rule=rule) from None
