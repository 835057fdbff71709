"""The laws of wallet keys, as pure functions: which keys may be bound, and what they may sign."""

import base64
from typing import Any

import msgspec
from joserfc.errors import JoseError

from msingi.signin.rules import secret_members
from msingi.signin.wallets.errors import WalletKeyWrong
from msingi.signin.wallets.model import AUDIENCE, FRESH_S, SKEW_S
from msingi.signin.wire import ALGORITHMS, RS256, public_key, signed, unverified

_KINDS = {"ES256": ("EC", "P-256"), "EdDSA": ("OKP", "Ed25519"), "Ed25519": ("OKP", "Ed25519")}
_LONGEST = 8_000


class _Signed(msgspec.Struct):
    iss: str
    sub: str
    aud: str | list[str]
    iat: float
    exp: float
    nonce: str = ""


def read_key(found: Any) -> dict[str, Any]:
    """The members of a public JWK, sent as an object, as its JSON, or as that in base64. Raises ValueError."""
    try:
        if isinstance(found, str):
            text = found if found.lstrip()[:1] == "{" else base64.b64decode(found + "=" * (-len(found) % 4))
            found = msgspec.json.decode(text)
        if not isinstance(found, dict) or secret_members(found) or len(msgspec.json.encode(found)) > _LONGEST:
            raise ValueError("no public key")
        key = public_key(found)
        members = {m: str(found[m]) for m in ("kty", "crv", "x", "y", "n", "e") if m in found}
        if key.key_type == "RSA":
            size = key.public_key.key_size  # type: ignore[union-attr]
            if not 2048 <= size <= 4096:
                raise ValueError("an RSA key has 2048 to 4096 bits")
        elif (key.key_type, members.get("crv")) not in _KINDS.values():
            raise ValueError("a key is RSA, P-256 or Ed25519")
    except (msgspec.DecodeError, JoseError, KeyError, TypeError, RecursionError) as wrong:
        raise ValueError("no public key") from wrong
    return members


def _fits(alg: str, jwk: dict[str, Any]) -> bool:
    return jwk["kty"] == "RSA" if alg in ("PS256", RS256) else (jwk["kty"], jwk.get("crv")) == _KINDS.get(alg)


def verify(
    token: str, keys: list[dict[str, Any]], individual: str, audiences: tuple[str, ...], link: str, now: float
) -> int:
    """Which of `keys` signed this for `individual` and this link. Raises WalletKeyWrong, naming the step.

    (eSignet: wallet local authentication, a JWT with iss, sub, aud, iat and exp)
    """
    # 1. A JWT with an algorithm of ours; RS256 is what eSignet's wallets use.
    try:
        header, payload = unverified(token)
        claims = msgspec.json.decode(payload, type=_Signed)
    except (ValueError, msgspec.DecodeError, msgspec.ValidationError):
        raise WalletKeyWrong(rule="a JWT with iss, sub, aud, iat and exp") from None
    alg = header.get("alg")
    if alg not in (*ALGORITHMS, RS256):
        raise WalletKeyWrong(rule=f"alg is one of {', '.join((*ALGORITHMS, RS256))}")
    # 2. Signed by a key that this person bound.
    by = next((n for n, jwk in enumerate(keys) if _fits(alg, jwk) and _verifies(token, header, jwk)), None)
    if by is None:
        raise WalletKeyWrong(rule="signature by a bound key")
    # 3. For this person and this provider.
    if claims.sub != individual or not claims.iss:
        raise WalletKeyWrong(rule="sub is the number, iss the wallet")
    if not set([claims.aud] if isinstance(claims.aud, str) else claims.aud) & {AUDIENCE, *audiences}:
        raise WalletKeyWrong(rule=f"aud is {AUDIENCE}, or the issuer")
    # 4. Made now: a wallet may say that it is good for hours, and is not believed.
    if not now - FRESH_S <= claims.iat <= now + SKEW_S or claims.exp <= now - SKEW_S:
        raise WalletKeyWrong(rule=f"iat is now, within {FRESH_S} seconds")
    # 5. For this sign-in, where the wallet says for which.
    if claims.nonce and claims.nonce != link:
        raise WalletKeyWrong(rule="nonce is the linkedTransactionId")
    return by


def _verifies(token: str, header: dict[str, Any], jwk: dict[str, Any]) -> bool:
    try:
        return signed(token, {k: v for k, v in header.items() if k != "jwk"}, public_key(jwk))
    except (JoseError, ValueError, KeyError, TypeError):
        return False


def key_mark(jwk: dict[str, Any]) -> str:
    """What a key is known by, whoever it belongs to: its thumbprint (RFC 7638)."""
    return f"wallet-key|{public_key(jwk).thumbprint()}"
