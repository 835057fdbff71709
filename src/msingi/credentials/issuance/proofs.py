"""Proofs of possession and key attestations of wallets (OpenID4VCI 1.0, appendices D and F), step by numbered step."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeGuard

import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

from msingi.credentials import cose
from msingi.credentials.errors import NotGenuine, Unreadable
from msingi.credentials.forms import chain, jose
from msingi.credentials.forms.model import Format
from msingi.credentials.issuance.errors import InvalidNonce, InvalidProofOfKey
from msingi.credentials.issuance.model import Kind
from msingi.kernel.keys import public_jwk

TYP_PROOF, TYP_ATTESTATION = "openid4vci-proof+jwt", "key-attestation+jwt"
SKEW_S, OLDEST_S = 60, 600
_CURVE_OF = {"ES256": "P-256", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}
_SECRET = {"d", "k", "p", "q", "dp", "dq", "qi", "oth"}
NonceReader = Callable[[object], tuple[bytes, int]]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a proof is held against: this issuer, the software that asks (empty: anonymous), the kind and form,
    the anchors of wallet providers, the present moment, and how nonces are read."""

    issuer: str
    client_id: str
    kind: Kind
    form: Format
    anchors: tuple[bytes, ...]
    now: float
    nonce: NonceReader


class Proven(msgspec.Struct, frozen=True):
    """Public keys whose possession was proved, one copy for each; and the nonces to use up."""

    holders: tuple[dict[str, Any], ...]
    nonces: tuple[tuple[bytes, int], ...]


def algorithms(form: Format) -> tuple[str, ...]:
    """The algorithms of proofs for a form: an mdoc is bound to keys on P-256 only."""
    return ("ES256",) if form is Format.MDOC else ("ES256", "EdDSA")


def verify(asked: Asked, proofs: dict[str, Any]) -> Proven:
    """The keys that `proofs` proves. Raises InvalidProofOfKey and InvalidNonce, naming the check."""
    # 1. Exactly one type of proof, with at least one proof (section 8.2).
    if len(proofs) != 1:
        raise InvalidProofOfKey("One type of proof is needed.", rule="exactly one proof type")
    [(kind, found)] = proofs.items()
    if not isinstance(found, list) or not found or not all(isinstance(p, str) for p in found):
        raise InvalidProofOfKey("The proofs are a list of JWTs.", rule="a list of texts")
    if len(found) > asked.kind.batch:
        raise InvalidProofOfKey("There are too many proofs.", rule="batch_size")
    if kind == "attestation":
        if len(found) != 1:
            raise InvalidProofOfKey("One attestation is needed.", rule="one attestation")
        keys, claims = attestation(asked, found[0], with_proof=False)
        return Proven(keys, (asked.nonce(claims.get("nonce")),))
    if kind != "jwt":
        raise InvalidProofOfKey("The type of proof is not supported.", rule="jwt or attestation")
    read = [_jwt(asked, text) for text in found]
    holders = tuple(key for keys, _ in read for key in keys)
    return Proven(holders, tuple(dict.fromkeys(nonce for _, nonce in read)))


def _jwt(asked: Asked, text: str) -> tuple[tuple[dict[str, Any], ...], tuple[bytes, int]]:
    """The keys and the nonce of one proof JWT (appendix F.1 and F.4)."""
    header, claims, signed, signature = parts(text)
    # 1. Explicitly typed, an algorithm that was offered, no critical header that is not understood.
    if header.get("typ") != TYP_PROOF or "crit" in header:
        raise InvalidProofOfKey("The JWT is not a proof.", rule="typ")
    if header.get("alg") not in algorithms(asked.form):
        raise InvalidProofOfKey("The algorithm is not offered.", rule="alg")
    # 2. Exactly one way to name the key, and it is a public one.
    named = [name for name in ("jwk", "kid", "x5c") if name in header]
    attested: tuple[dict[str, Any], ...] = ()
    if "key_attestation" in header:
        attested, _ = attestation(asked, header["key_attestation"], with_proof=True)
    elif asked.kind.key_storage or asked.kind.haip:
        raise InvalidProofOfKey("A key attestation is needed.", rule="key_attestation")
    if len(named) != 1:
        raise InvalidProofOfKey("The key is named in one way.", rule="exactly one of jwk, kid, x5c")
    jwk = _named_key(header, named[0], attested)
    if attested and jwk not in attested:
        raise InvalidProofOfKey("The key is not one of the attested.", rule="attested_keys")
    # 3. Signed with it.
    check_signature(jwk, header["alg"], signature, signed)
    # 4. For this issuer, by this software, now.
    if claims.get("aud") != asked.issuer:
        raise InvalidProofOfKey("The proof is for another issuer.", rule="aud")
    if asked.client_id and claims.get("iss", asked.client_id) != asked.client_id:
        raise InvalidProofOfKey("The proof is of another client.", rule="iss")
    if not asked.client_id and "iss" in claims:
        raise InvalidProofOfKey("Anonymous software names no client.", rule="iss")
    _fresh(claims, asked.now)
    # 5. With a nonce of ours.
    if "nonce" not in claims:
        raise InvalidNonce("The proof has no nonce.", rule="nonce")
    return attested or (jwk,), asked.nonce(claims["nonce"])


def _named_key(header: dict[str, Any], named: str, attested: tuple[dict[str, Any], ...]) -> dict[str, Any]:
    if named == "jwk":
        return _public(header["jwk"])
    if named == "x5c":
        try:
            key = chain.leaf_key(base64.b64decode(header["x5c"][0], validate=True))
        except (ValueError, TypeError, IndexError, KeyError):
            raise InvalidProofOfKey("The certificate cannot be read.", rule="x5c") from None
        if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
            raise InvalidProofOfKey("The certificate's key is of another kind.", rule="x5c")
        return jose.bare_key(public_jwk(key))
    # With an attestation, `kid` is the place of the key in it (appendix F.1).
    place = header["kid"]
    if attested and isinstance(place, str) and place.isdigit() and int(place) < len(attested):
        return attested[int(place)]
    raise InvalidProofOfKey("The key's name means nothing here: send the key.", rule="jwk")


def attestation(asked: Asked, text: Any, *, with_proof: bool) -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    """The attested keys and the claims of a key attestation (appendix D.1). Raises InvalidProofOfKey."""
    # 1. Typed, ES256, signed by a provider of wallets that is accepted.
    header, claims, signed, signature = parts(text)
    if header.get("typ") != TYP_ATTESTATION or header.get("alg") != "ES256" or "crit" in header:
        raise InvalidProofOfKey("The key attestation is not one.", rule="key attestation: typ, alg")
    certified(header, signed, signature, asked.anchors, asked.now, "key attestation")
    # 2. Issued, and not over; beside a proof it must say when it ends.
    expires = claims.get("exp")
    if (with_proof and expires is None) or (expires is not None and not _ahead(expires, asked.now)):
        raise InvalidProofOfKey("The key attestation is over, or never ends.", rule="key attestation: exp")
    issued = claims.get("iat")
    if not is_number(issued) or issued > asked.now + SKEW_S:
        raise InvalidProofOfKey("The key attestation was not issued yet.", rule="key attestation: iat")
    # 3. Different public keys, in a storage that is good enough for this kind.
    keys = claims.get("attested_keys")
    if not isinstance(keys, list) or not 1 <= len(keys) <= asked.kind.batch:
        raise InvalidProofOfKey("The key attestation has no keys, or too many.", rule="attested_keys")
    levels = claims.get("key_storage", [])
    if asked.kind.key_storage and not set(asked.kind.key_storage) & set(map(str, levels)):
        raise InvalidProofOfKey("The keys' storage is not secure enough.", rule="key_storage")
    return tuple(_public(key) for key in keys), claims


def certified(
    header: dict[str, Any], signed: bytes, signature: bytes, anchors: tuple[bytes, ...], now: float, what: str
) -> None:
    """Nothing, if the header's certificate is of one of `anchors` and signed this. Raises InvalidProofOfKey."""
    try:
        leaf = base64.b64decode(header["x5c"][0], validate=True)
        key = chain.checked(leaf, list(anchors), datetime.fromtimestamp(now, UTC))
        jwk = public_jwk(key)
        check_signature(jose.bare_key(jwk), "ES256", signature, signed)
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as wrong:
        rule = f"{what}: {wrong}" if isinstance(wrong, ValueError) else f"{what}: x5c"
        raise InvalidProofOfKey("It is not signed by an accepted provider of wallets.", rule=rule) from None


def parts(text: Any) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    """Header, claims, what is signed, and the signature of a compact JWS. Raises InvalidProofOfKey."""
    try:
        if not isinstance(text, str) or len(text) > 40_000:
            raise ValueError
        signed, _, signature = text.encode("ascii").rpartition(b".")
        head, body = signed.split(b".")
        header = msgspec.json.decode(jose.unb64(head), type=dict[str, Any])
        claims = msgspec.json.decode(jose.unb64(body), type=dict[str, Any])
        return header, claims, signed, jose.unb64(signature)
    except (ValueError, RecursionError):  # msgspec's and base64's errors are ValueErrors
        raise InvalidProofOfKey("It is not a JWT.", rule="a compact JWS") from None


def _public(jwk: Any) -> dict[str, Any]:
    if not isinstance(jwk, dict) or _SECRET & set(jwk):
        raise InvalidProofOfKey("The key is not a public JWK.", rule="public jwk")
    if (jwk.get("kty"), jwk.get("crv")) not in (("EC", "P-256"), ("OKP", "Ed25519")):
        raise InvalidProofOfKey("The key is of another kind.", rule="P-256 or Ed25519")
    try:
        return jose.bare_key(jwk)
    except KeyError:
        raise InvalidProofOfKey("The key is not complete.", rule="public jwk") from None


def check_signature(jwk: dict[str, Any], alg: str, signature: bytes, signed: bytes) -> None:
    """Nothing, if `signature` over `signed` is of this key by this algorithm. Raises InvalidProofOfKey."""
    try:
        key = cose.key_of_jwk({**jwk, "kid": ""})
        if _CURVE_OF.get(alg) != key.curve:
            raise InvalidProofOfKey("Key and algorithm do not fit.", rule="alg")
        cose.verify_raw(key, signature, signed)
    except Unreadable:
        raise InvalidProofOfKey("The key cannot be read.", rule="jwk") from None
    except NotGenuine:
        raise InvalidProofOfKey("The signature is wrong.", rule="signature") from None


def _fresh(claims: dict[str, Any], now: float) -> None:
    issued = claims.get("iat")
    if not is_number(issued) or not now - OLDEST_S <= issued <= now + SKEW_S:
        raise InvalidProofOfKey("The proof is old, or from the future.", rule="iat")
    if "exp" in claims and not _ahead(claims["exp"], now):
        raise InvalidProofOfKey("The proof is over.", rule="exp")


def is_number(value: Any) -> TypeGuard[float]:
    """Whether a claim is a number of seconds."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _ahead(value: Any, now: float) -> bool:
    return is_number(value) and value > now - SKEW_S
