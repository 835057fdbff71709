"""Outside shapes of the provider: metadata, access tokens, and the OAuth dialect of refusals."""

from typing import Any

import msgspec

from msingi.kernel.errors import Malformed, NotPermitted, NotSignedIn, Outage, Refusal
from msingi.kernel.keys import Keystore
from msingi.signin.errors import InvalidToken
from msingi.signin.model import CLAIMS
from msingi.signin.provider.extend import Extensions
from msingi.signin.provider.model import ACR, AccessClaims
from msingi.signin.provider.proofs import ALGORITHMS
from msingi.signin.rules import SCOPES
from msingi.signin.wire import RS256, unverified, verify_own

ACCESS_TYPE = "at+jwt"
USERINFO = "/oauth/userinfo"


def metadata(issuer: str, languages: list[str], more: Extensions) -> dict[str, Any]:
    """The provider's metadata: OpenID Connect Discovery 1.0, section 3, and RFC 8414, section 2."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/oauth/authorize",
        "token_endpoint": f"{issuer}/oauth/token",
        "userinfo_endpoint": f"{issuer}{USERINFO}",
        "jwks_uri": f"{issuer}/oauth/jwks",
        "pushed_authorization_request_endpoint": f"{issuer}/oauth/par",
        "revocation_endpoint": f"{issuer}/oauth/revoke",
        "registration_endpoint": f"{issuer}/v1/esignet/client-mgmt/oidc-client",
        "introspection_endpoint": f"{issuer}/oauth/introspect",
        "introspection_endpoint_auth_methods_supported": ["private_key_jwt"],
        "introspection_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "userinfo_signing_alg_values_supported": ["ES256", "RS256"],
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "end_session_endpoint": f"{issuer}/oauth/logout",
        "require_pushed_authorization_requests": False,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", *more.grants],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt", "none", *more.proofs],
        "token_endpoint_auth_signing_alg_values_supported": [*ALGORITHMS, RS256],
        "revocation_endpoint_auth_methods_supported": ["private_key_jwt", "none"],
        "revocation_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": [*sorted(SCOPES), *more.scopes],
        "authorization_details_types_supported": list(more.details),
        "claim_types_supported": ["normal"],
        "claims_supported": ["sub", "acr", "amr", "auth_time", *CLAIMS],
        "claims_parameter_supported": True,
        "request_parameter_supported": True,
        "request_object_signing_alg_values_supported": list(ALGORITHMS),
        "request_uri_parameter_supported": False,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "acr_values_supported": list(ACR.values()),
        "ui_locales_supported": languages,
        "service_documentation": f"{issuer}/docs",
        **more.metadata,
    }


class SeenTokens:
    """Access tokens whose signature was verified before, so that the next request need not verify it again.

    What is remembered is the signature alone: key, issuer, audience, time and grant are looked at each time.
    """

    def __init__(self, most: int = 20_000) -> None:
        self._known: dict[str, tuple[str, AccessClaims]] = {}
        self._most = most

    def claims(self, keys: Keystore, token: str) -> AccessClaims:
        """The claims of a token by a key that is still valid. Raises InvalidToken."""
        known = self._known.get(token)
        if known is not None and keys.accepts("oidc", known[0]):
            return known[1]
        claims = _claims(keys, token)
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[token] = (str(unverified(token)[0]["kid"]), claims)
        return claims


def _claims(keys: Keystore, token: str) -> AccessClaims:
    try:
        return msgspec.json.decode(verify_own(keys, token, ACCESS_TYPE), type=AccessClaims)
    except msgspec.ValidationError:
        raise InvalidToken(rule="claims") from None


def read_access(
    keys: Keystore, token: str, issuer: str, audiences: tuple[str, ...], now: float, seen: SeenTokens | None = None
) -> AccessClaims:
    """The claims of an access token of ours for one of `audiences` (RFC 9068, section 4). Raises InvalidToken."""
    # 1. Type and signature.
    claims = _claims(keys, token) if seen is None else seen.claims(keys, token)
    # 2. Issuer and audience: a token for userinfo opens no other door.
    if claims.iss != issuer or claims.aud not in audiences:
        raise InvalidToken(rule="aud")
    # 3. Time.
    if claims.exp <= now:
        raise InvalidToken(rule="exp")
    return claims


def oauth_dialect(ending: Refusal | Outage, request_id: str) -> tuple[dict[str, Any], str]:
    """A refusal as OAuth tells it: error, error_description, and where it helps the rule (RFC 6749, section 5.2)."""
    if isinstance(ending, Outage):
        body = {"error": "temporarily_unavailable", "error_description": "Try again later."}
        return body | {"request_id": request_id}, "application/json"
    known = {Malformed: "invalid_request", NotPermitted: "access_denied", NotSignedIn: "invalid_token"}
    name = getattr(ending, "oauth", "") or next((n for kind, n in known.items() if isinstance(ending, kind)), "")
    if not name:
        name = "invalid_request" if ending.status < 500 else "server_error"
    rule = ending.facts.get("rule", "")
    told = f"{ending.detail or ending.title}{f' Rule: {rule}.' if rule else ''} {ending.remedy}"
    # RFC 6749 allows printable ASCII without quotation mark and backslash.
    plain = "".join(c if 32 <= ord(c) < 127 and c not in '"\\' else "'" for c in told)
    return {"error": name, "error_description": plain, "request_id": request_id}, "application/json"
