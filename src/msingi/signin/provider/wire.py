"""Outside shapes of the provider: metadata, signed tokens, sealed pointers, and the OAuth dialect of refusals."""

import base64
from typing import Any, TypeVar

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from msingi.kernel.errors import Malformed, NotFound, NotPermitted, NotSignedIn, Outage, Refusal
from msingi.kernel.keys import Keystore
from msingi.kernel.seal import Seals
from msingi.signin.errors import FlowLost, InvalidToken
from msingi.signin.model import CLAIMS
from msingi.signin.provider.model import ACR, AccessClaims
from msingi.signin.provider.proofs import ALGORITHMS, unverified

T = TypeVar("T")
ACCESS_TYPE = "at+jwt"
USERINFO = "/oauth/userinfo"
_registry = JWSRegistry(algorithms=["ES256"])


def metadata(issuer: str, languages: list[str]) -> dict[str, Any]:
    """The provider's metadata: OpenID Connect Discovery 1.0, section 3, and RFC 8414, section 2."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "userinfo_endpoint": f"{issuer}{USERINFO}",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "pushed_authorization_request_endpoint": f"{issuer}/oauth/par",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "end_session_endpoint": f"{issuer}/oauth/logout",
        "require_pushed_authorization_requests": False,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
        "revocation_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": ["openid", "profile", "phone", "number", "offline_access", "api", "authenticate"],
        "claim_types_supported": ["normal"],
        "claims_supported": ["sub", "acr", "amr", "auth_time", *CLAIMS],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "acr_values_supported": list(ACR.values()),
        "ui_locales_supported": languages,
        "service_documentation": f"{issuer}/docs",
    }


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def sign(keys: Keystore, typ: str, claims: Any) -> str:
    """A compact JWS over `claims` (anything msgspec encodes), by the current key of the provider (ES256).

    The three parts are put together here, because the key may live in hardware that signs bytes and nothing else.
    """
    signer = keys.signer("oidc")
    header = b64(msgspec.json.encode({"alg": "ES256", "kid": signer.kid, "typ": typ}))
    message = f"{header}.{b64(msgspec.json.encode(claims))}"
    return f"{message}.{b64(signer.sign(message.encode()))}"


def verify_own(keys: Keystore, token: str, typ: str) -> bytes:
    """The payload of a token that this provider signed with a key still valid. Raises InvalidToken."""
    try:
        header, payload = unverified(token)
        known = [k for k in keys.public("oidc") if k["kid"] == header.get("kid")]
        if header.get("typ") != typ or not known:
            raise InvalidToken(rule="typ or kid")
        jws.deserialize_compact(token, KeySet.import_key_set({"keys": list(known)}), registry=_registry)
    except (ValueError, JoseError):
        raise InvalidToken(rule="signature") from None
    return payload


def read_access(keys: Keystore, token: str, issuer: str, audience: str, now: float) -> AccessClaims:
    """The claims of an access token of ours for `audience` (RFC 9068, section 4). Raises InvalidToken."""
    # 1. Type and signature.
    payload = verify_own(keys, token, ACCESS_TYPE)
    try:
        claims = msgspec.json.decode(payload, type=AccessClaims)
    except msgspec.ValidationError:
        raise InvalidToken(rule="claims") from None
    # 2. Issuer and audience: a token for userinfo opens no API door, and the other way round.
    if claims.iss != issuer or claims.aud != audience:
        raise InvalidToken(rule="aud")
    # 3. Time.
    if claims.exp <= now:
        raise InvalidToken(rule="exp")
    return claims


def seal(seals: Seals, label: str, content: Any) -> str:
    """`content` as text that only this stack can read or make: a code, a cookie, a sign-in under way."""
    return b64(seals.seal_with_room_key(f"signin.{label}", msgspec.msgpack.encode(content)))


def unseal(seals: Seals, label: str, text: str, kind: type[T]) -> T:
    """What `seal` sealed under this label. Raises FlowLost if it is not that."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return msgspec.msgpack.decode(seals.unseal_with_room_key(f"signin.{label}", raw), type=kind)
    except (ValueError, msgspec.DecodeError):
        raise FlowLost(rule="sealed by this stack") from None


def oauth_dialect(ending: Refusal | Outage, request_id: str) -> tuple[dict[str, Any], str]:
    """A refusal as OAuth tells it: error, error_description, and where it helps the rule (RFC 6749, section 5.2)."""
    if isinstance(ending, Outage):
        body = {"error": "temporarily_unavailable", "error_description": "Try again later."}
        return body | {"request_id": request_id}, "application/json"
    known = {Malformed: "invalid_request", NotPermitted: "access_denied", NotSignedIn: "invalid_token"}
    name = getattr(ending, "oauth", "") or next((n for kind, n in known.items() if isinstance(ending, kind)), "")
    if not name:
        name = "invalid_request" if ending.status < 500 or isinstance(ending, NotFound) else "server_error"
    rule = ending.facts.get("rule", "")
    told = f"{ending.detail or ending.title}{f' Rule: {rule}.' if rule else ''} {ending.remedy}"
    # RFC 6749 allows printable ASCII without quotation mark and backslash.
    plain = "".join(c if 32 <= ord(c) < 127 and c not in '"\\' else "'" for c in told)
    return {"error": name, "error_description": plain, "request_id": request_id}, "application/json"
