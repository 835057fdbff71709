"""Verifying what clients sign: assertions (RFC 7523) and DPoP proofs (RFC 9449), step by numbered step."""

import hashlib
import hmac
from typing import Any
from urllib.parse import urlsplit

import msgspec
from joserfc.errors import JoseError

from msingi.kernel.keys import Keystore
from msingi.signin.errors import InvalidClient, InvalidProof, InvalidRequestObject, UseDpopNonce
from msingi.signin.model import Client, Profile
from msingi.signin.provider.model import (
    ASSERTION_LONGEST_S,
    NONCE_S,
    PROOF_AGE_S,
    REQUEST_LONGEST_S,
    SKEW_S,
    Once,
    Proof,
)
from msingi.signin.rules import secret_members
from msingi.signin.wire import ALGORITHMS as ALGORITHMS
from msingi.signin.wire import RS256, b64, public_key, signed, thumbprint, unverified

# FAPI 2.0, section 5.4.1: ALGORITHMS and no others. RS256 stands beside them only in the assertions of a confidential
# client that registered an RSA key by that name; "none" and symmetric algorithms are refused for everybody.
_KEY_TYPES = {"ES256": "EC", "PS256": "RSA", "EdDSA": "OKP", "Ed25519": "OKP", "RS256": "RSA"}


class _Assertion(msgspec.Struct):
    iss: str
    sub: str
    aud: str  # a string only: an array, or the address of an endpoint, is refused (FAPI 2.0, section 5.3.2.1)
    jti: str
    exp: float
    iat: float = 0
    nbf: float = 0


class _Dpop(msgspec.Struct):
    htm: str
    htu: str
    iat: float
    jti: str
    ath: str = ""
    nonce: str = ""


def assertion_client(assertion: str) -> str:
    """The client id that an assertion claims, not verified. Raises InvalidClient unless there is one."""
    try:
        _, payload = unverified(assertion)
        claims = msgspec.json.decode(payload, type=dict[str, Any])
    except (ValueError, msgspec.DecodeError):
        raise InvalidClient(rule="client_assertion is a signed JWT") from None
    subject = claims.get("sub")
    if not isinstance(subject, str):
        raise InvalidClient(rule="sub")
    return subject


def verify_assertion(assertion: str, client: Client, issuer: str, now: float) -> Once:
    """What of the assertion may not come twice, once it is verified. Raises InvalidClient, naming the step."""
    # 1. Algorithm (FAPI 2.0, section 5.4.1), before any key is touched.
    try:
        header, payload = unverified(assertion)
    except ValueError:
        raise InvalidClient(rule="client_assertion is a signed JWT") from None
    alg = header.get("alg")
    if alg not in assertion_algorithms(client):
        raise InvalidClient(rule=f"alg is one of {', '.join(ALGORITHMS)}")
    # 2. Signature by a key that the client registered (RFC 7523, section 3, point 9).
    if not signed_by(assertion, header, client):
        raise InvalidClient(rule="signature by a registered key")
    # 3. Form of the claims: aud a single string, jti and exp present (section 3, points 3, 4 and 7).
    try:
        claims = msgspec.json.decode(payload, type=_Assertion)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise InvalidClient(rule="iss, sub, aud (one string), jti and exp") from None
    # 4. Issuer and subject are the client (points 1 and 2).
    if claims.iss != client.client_id or claims.sub != client.client_id:
        raise InvalidClient(rule="iss and sub are the client_id")
    # 5. Audience is this issuer and nothing else (FAPI 2.0, section 5.3.2.1, point 10).
    if claims.aud != issuer:
        raise InvalidClient(rule="aud is the issuer")
    # 6. Time (points 4, 5 and 6): not over, not long, not from the future beyond a clock's skew.
    if not now - SKEW_S < claims.exp <= now + ASSERTION_LONGEST_S + SKEW_S:
        raise InvalidClient(rule="exp lies ahead, by at most 10 minutes")
    if max(claims.iat, claims.nbf) > now + SKEW_S:
        raise InvalidClient(rule="iat and nbf do not lie ahead")
    if not 0 < len(claims.jti) <= 500:
        raise InvalidClient(rule="jti")
    return Once(f"assertion|{client.client_id}|{claims.jti}", int(claims.exp) + SKEW_S)


def assertion_algorithms(client: Client) -> tuple[str, ...]:
    """With what this client may sign its assertions: RS256 only if it promised no FAPI and its own key says so."""
    named = client.profile is Profile.CONFIDENTIAL and any(k.get("alg") == RS256 for k in client.jwks)
    return (*ALGORITHMS, RS256) if named else ALGORITHMS


def known_nonces(keys: Keystore, now: float) -> tuple[str, str]:
    """The nonce that is given out now, and the one before it, which is still taken (RFC 9449, section 8).

    They are the same for everybody and last five to ten minutes: they show that a proof was made lately, whatever the
    clock of the device says; that it is used once is its jti's affair.
    """
    window = int(now) // NONCE_S
    newest, before = (b64(keys.blind(f"signin.dpop-nonce|{w}")[:18]) for w in (window, window - 1))
    return newest, before


def verify_dpop(
    proof: str,
    method: str,
    url: str,
    now: float,
    access_token: str = "",
    *,
    nonces: tuple[str, ...] | None = None,
    nonce_demanded: bool = False,
) -> Proof:
    """The key that a DPoP proof shows, once verified for this method and address (RFC 9449, section 4.3).

    With `access_token`, the proof must hold its hash. A proof with one of `nonces` is fresh by that; one with an old
    or foreign nonce, or without a demanded one, raises UseDpopNonce. Doors that give no nonces pass None.
    Raises InvalidProof, naming the step.
    """
    # 1-3. One well-formed JWT with typ dpop+jwt and an asymmetric algorithm.
    try:
        header, payload = unverified(proof)
        claims = msgspec.json.decode(payload, type=_Dpop)
    except (ValueError, msgspec.DecodeError):
        raise InvalidProof(rule="a JWT with htm, htu, iat and jti") from None
    if header.get("typ") != "dpop+jwt":
        raise InvalidProof(rule="typ is dpop+jwt")
    alg = header.get("alg")
    if alg not in ALGORITHMS:
        raise InvalidProof(rule=f"alg is one of {', '.join(ALGORITHMS)}")
    # 4. A public key in the header, that made the signature.
    jwk = header.get("jwk")
    if not isinstance(jwk, dict) or secret_members(jwk) or jwk.get("kty") != _KEY_TYPES[alg]:
        raise InvalidProof(rule="jwk is a public key that fits alg")
    if not _verifies(proof, header, jwk):
        raise InvalidProof(rule="signature")
    # 5. Method and address, the latter without query and fragment.
    if claims.htm != method:
        raise InvalidProof(rule="htm")
    if not _same_address(claims.htu, url):
        raise InvalidProof(rule="htu")
    # 6. Fresh: by our nonce (section 8), else by the client's clock (section 11.1).
    by_nonce = nonces is not None and claims.nonce in nonces
    if nonces is not None and not by_nonce and (claims.nonce or nonce_demanded):
        raise UseDpopNonce()
    if not by_nonce and not now - PROOF_AGE_S <= claims.iat <= now + SKEW_S:
        raise InvalidProof(rule="iat is now")
    if not 0 < len(claims.jti) <= 500:
        raise InvalidProof(rule="jti")
    # 7. Made for this access token.
    if access_token and not hmac.compare_digest(claims.ath.encode(), token_hash(access_token).encode()):
        raise InvalidProof(rule="ath")
    jkt = thumbprint(jwk)
    until = now + 2 * NONCE_S if by_nonce else claims.iat + PROOF_AGE_S + SKEW_S
    return Proof(jkt, Once(f"dpop|{jkt}|{claims.jti}", int(until)))


def verify_request_object(text: str, client: Client, issuer: str, now: float) -> tuple[dict[str, str], Once | None]:
    """The parameters inside a signed authorization request, and its jti if it has one (RFC 9101, sections 4 and 6).

    Raises InvalidRequestObject, naming the step.
    """
    # 1. A JWT with an algorithm of ours, signed by a registered key of the client; typ as in section 10.8, or JWT.
    try:
        header, payload = unverified(text)
        claims = msgspec.json.decode(payload, type=dict[str, Any])
    except (ValueError, msgspec.DecodeError):
        raise InvalidRequestObject(field="request", rule="a signed JWT") from None
    if header.get("typ", "JWT") not in ("oauth-authz-req+jwt", "JWT", "jwt"):
        raise InvalidRequestObject(field="request", rule="typ is oauth-authz-req+jwt")
    if header.get("alg") not in ALGORITHMS:
        raise InvalidRequestObject(field="request", rule=f"alg is one of {', '.join(ALGORITHMS)}")
    if not signed_by(text, header, client):
        raise InvalidRequestObject(field="request", rule="signature by a registered key")
    # 2. From the client, for this provider alone.
    if claims.get("iss") != client.client_id or claims.get("client_id", client.client_id) != client.client_id:
        raise InvalidRequestObject(field="request", rule="iss and client_id are the client's")
    if claims.get("aud") not in (issuer, [issuer]):
        raise InvalidRequestObject(field="request", rule="aud is the issuer")
    # 3. In its time: at most an hour long (FAPI 2.0 Message Signing, section 5.3.1).
    times = [claims.get(name, 0) for name in ("exp", "nbf", "iat")]
    if not all(isinstance(t, int | float) for t in times):
        raise InvalidRequestObject(field="request", rule="exp, nbf and iat are numbers")
    exp, nbf, iat = times
    if not now - SKEW_S < exp <= now + REQUEST_LONGEST_S + SKEW_S:
        raise InvalidRequestObject(field="request", rule="exp lies ahead, by at most an hour")
    if max(nbf, iat) > now + SKEW_S or (nbf and nbf < now - REQUEST_LONGEST_S - SKEW_S):
        raise InvalidRequestObject(field="request", rule="nbf is at most an hour ago")
    # 4. It holds no request itself (section 4), and nothing beside it counts (section 6.3).
    if {"request", "request_uri"} & set(claims):
        raise InvalidRequestObject(field="request", rule="no request inside a request")
    inside = {n: v if isinstance(v, str) else msgspec.json.encode(v).decode() for n, v in claims.items()}
    jti = claims.get("jti")
    return inside, Once(f"assertion|{client.client_id}|{jti}", int(exp) + SKEW_S) if jti else None


def signed_by(text: str, header: dict[str, Any], client: Client) -> bool:
    """Whether a registered key of the client made this signature."""
    kid = header.get("kid")
    kty = _KEY_TYPES[header["alg"]]
    fitting = [k for k in client.jwks if k.get("kty") == kty and (not kid or k.get("kid", kid) == kid)]
    if header["alg"] == RS256:
        fitting = [k for k in fitting if k.get("alg") == RS256]
    return any(_verifies(text, header, key) for key in fitting)


def token_hash(access_token: str) -> str:
    """`ath`: base64url of the SHA-256 of an access token (RFC 9449, section 4.2)."""
    return b64(hashlib.sha256(access_token.encode()).digest())


def _same_address(claimed: str, ours: str) -> bool:
    try:
        there, here = urlsplit(claimed), urlsplit(ours)
        ports = {"https": 443, "http": 80}
        return (
            there.scheme.lower(),
            (there.hostname or "").lower(),
            there.port or ports.get(there.scheme.lower()),
        ) == (
            here.scheme,
            here.hostname,
            here.port or ports.get(here.scheme),
        ) and (there.path or "/") == (here.path or "/")
    except ValueError:
        return False


def _verifies(token: str, header: dict[str, Any], jwk: dict[str, Any]) -> bool:
    try:
        key = public_key(jwk)
        if jwk["kty"] == "RSA" and len(str(jwk["n"])) < 340:
            return False  # shorter than 2048 bits (FAPI 2.0, section 5.4.1)
        return signed(token, header, key)
    except (JoseError, ValueError, KeyError, TypeError):
        return False
