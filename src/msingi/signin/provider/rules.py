"""The laws of the provider, as pure functions: what a request may ask, when a session suffices, what a code redeems."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec

from msingi.signin.errors import (
    InvalidAuthorizationDetails,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    PushedRequestNeeded,
    RedirectMismatch,
    RequestNotSupported,
    UnauthorizedClient,
    UnmetAuthentication,
    UnsupportedResponseType,
)
from msingi.signin.model import SCOPE_CLAIMS, Client, Profile, Session
from msingi.signin.provider.extend import Extensions
from msingi.signin.provider.model import ACR, FLOW_TTL_S, REQUEST_TTL_S, Asked, Terms
from msingi.signin.wire import b64

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}")
_CHALLENGE = re.compile(r"[A-Za-z0-9\-_]{43}")
_PROMPTS = frozenset({"none", "login", "consent", "select_account"})
_LONGEST = 2_000
_FACTORS = {urn: count for count, urn in ACR.items()}
# These are answered by scope or by acr, not released as claims about a person.
_PROTOCOL_CLAIMS = frozenset({"sub", "acr", "auth_time", "amr"})


def single(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The parameters by name. Raises InvalidRequest for one that comes twice (RFC 6749, section 3.1)."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidRequest(f"{name[:60]} comes twice.", field=name[:60], rule="once")
        if len(value) > _LONGEST or "\0" in value:
            raise InvalidRequest(f"{name[:60]} is too long or not text.", field=name[:60], rule="length")
        found[name] = value
    return found


def check_destination(client: Client, redirect_uri: str) -> None:
    """Raises RedirectMismatch unless the client registered this address, character for character (law 6)."""
    if not redirect_uri or redirect_uri not in client.redirect_uris:
        raise RedirectMismatch(client=client.client_id)


def check_route(client: Client, pushed: bool) -> None:
    """Raises PushedRequestNeeded for a plain request of a FAPI client (law 5; FAPI 2.0, section 5.3.2.2)."""
    if client.profile is Profile.FAPI and not pushed:
        raise PushedRequestNeeded(client=client.client_id)


def read_request(
    params: Mapping[str, str],
    client: Client,
    more: Extensions,
    *,
    pushed: bool,
    request_id: str,
    now: int,
    jkt: str = "",
) -> Asked:
    """The checked authorization request; its redirect address was checked before, a request object was unpacked.

    `jkt` is the thumbprint of a DPoP proof that came with a pushed request; `more` is what upper rooms added.
    Raises InvalidRequest or one of its kin, InvalidScope and InvalidAuthorizationDetails, naming the field.
    """
    # 1. A request by reference to elsewhere is not fetched, and not ignored silently (RFC 9126, section 2.1).
    if "request_uri" in params:
        raise RequestNotSupported(field="request_uri")
    # 2. Only codes (RFC 6749, section 4.1.1), returned in the query.
    if params.get("response_type") != "code":
        raise UnsupportedResponseType(field="response_type")
    if params.get("response_mode", "query") != "query":
        raise InvalidRequest("Only response_mode=query is offered.", field="response_mode", rule="query")
    # 3. PKCE with S256 (RFC 7636, section 4.3; FAPI 2.0, section 5.3.2.2), or what may stand in its place.
    challenge = params.get("code_challenge", "")
    if nonce_suffices(params, client):
        challenge = ""
    elif params.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise InvalidRequest("PKCE with S256 is needed.", field="code_challenge", rule="PKCE S256")
    # 4. Scopes that the client was registered for, and details of a known type; openid unless an upper room is meant.
    scopes = read_scopes(params.get("scope", ""), client, more)
    details = more.check_details(client, read_details(params.get("authorization_details", "")))
    if "openid" not in scopes and not details and not set(scopes) & set(more.scopes):
        raise InvalidScope("The scope openid is needed.", field="scope", rule="openid")
    # 5. A key named in two ways must be the same key (RFC 9449, section 10.1).
    bound = _named_key(params.get("dpop_jkt", ""), jkt)
    claims = read_claims(params.get("claims", ""), scopes, client)
    max_age = params.get("max_age", "-1")
    if not re.fullmatch(r"-1|[0-9]{1,9}", max_age):
        raise InvalidRequest("max_age is a number of seconds.", field="max_age", rule="seconds")
    return Asked(
        client_id=client.client_id,
        redirect_uri=params["redirect_uri"],
        scopes=scopes,
        challenge=challenge,
        request_id=request_id,
        expires_at=now + (REQUEST_TTL_S if pushed else FLOW_TTL_S),
        state=params.get("state", ""),
        nonce=params.get("nonce", ""),
        jkt=bound,
        factors=factors_asked(f"{claims.acr} {params.get('acr_values', '')}".split(), demanded=claims.acr_demanded),
        max_age_s=int(max_age),
        prompt=_read_prompt(params.get("prompt", "")),
        claims=claims.userinfo,
        id_claims=claims.id_token,
        essential=claims.essential,
        details=details,
        powers=() if client.first_party else more.powers(scopes, details),
        passed={name: params[name] for name in sorted(more.passed) if params.get(name)},
        subject=claims.subject,
        login_hint=params.get("login_hint", "")[:100],
        ui_locales=params.get("ui_locales", "")[:100],
    )


def nonce_suffices(params: Mapping[str, str], client: Client) -> bool:
    """Whether a request without PKCE is held together by its nonce (RFC 9700, section 2.1.1; decision 0039).

    Only for a third party's confidential software that signs with its key and will check the nonce in an ID token;
    never for public or FAPI clients, and never where the request speaks of PKCE at all.
    """
    if {"code_challenge", "code_challenge_method"} & set(params):
        return False
    signs = client.profile is Profile.CONFIDENTIAL and client.auth == "private_key_jwt" and not client.first_party
    return signs and bool(params.get("nonce")) and "openid" in params.get("scope", "").split()


def _named_key(named: str, shown: str) -> str:
    if named and not _CHALLENGE.fullmatch(named):
        raise InvalidRequest("dpop_jkt is a SHA-256 thumbprint.", field="dpop_jkt", rule="RFC 7638")
    if shown and named and not hmac.compare_digest(shown, named):
        raise InvalidRequest("dpop_jkt is not the key of the proof.", field="dpop_jkt", rule="same key")
    return shown or named


def read_details(text: str) -> list[dict[str, Any]]:
    """`authorization_details` as objects (RFC 9396, section 2). Raises InvalidAuthorizationDetails."""
    if not text:
        return []
    try:
        return msgspec.json.decode(text, type=list[dict[str, Any]])
    except (msgspec.DecodeError, RecursionError):
        raise InvalidAuthorizationDetails(field="authorization_details", rule="a JSON array of objects") from None


def read_scopes(text: str, client: Client, more: Extensions | None = None) -> tuple[str, ...]:
    """The scopes that were asked for. Raises InvalidScope for one that the client may not have."""
    asked = tuple(dict.fromkeys(text.split()))
    added = more.scopes if more else {}
    foreign = [s for s in asked if s not in client.scopes and not (s in added and added[s].open)]
    if foreign:
        raise InvalidScope("A scope is not registered for this client.", field="scope", rule="registered")
    if client.profile is not Profile.FAPI and any(s in added and added[s].fapi for s in asked):
        raise InvalidScope("A scope is for software registered as fapi.", field="scope", rule="HAIP 1.0, section 4")
    return asked


def factors_asked(values: list[str], *, demanded: bool = False) -> int:
    """How many factors must be proved: the first acr value that is known, two where none is.

    Raises UnmetAuthentication where the client demanded one of values that are all unknown (OpenID Connect Core,
    section 5.5.1.1).
    """
    known = [_FACTORS[v] for v in values if v in _FACTORS]
    if demanded and not known:
        raise UnmetAuthentication(field="acr", rule="acr_values_supported")
    return known[0] if known else 2


def _read_prompt(text: str) -> tuple[str, ...]:
    prompt = tuple(text.split())
    if not set(prompt) <= _PROMPTS or ("none" in prompt and len(prompt) > 1):
        raise InvalidRequest("prompt is none alone, or login, consent, select_account.", field="prompt", rule="prompt")
    return prompt


class Wanted(msgspec.Struct, frozen=True):
    """Claims that were asked for, cut to what the client may have; and what was asked about the sign-in itself."""

    userinfo: tuple[str, ...]
    id_token: tuple[str, ...]
    essential: tuple[str, ...] = ()
    acr: str = ""
    acr_demanded: bool = False
    subject: str = ""


def read_claims(text: str, scopes: tuple[str, ...], client: Client) -> Wanted:
    """The claims of the scopes and of the `claims` parameter. Raises InvalidRequest unless that is well formed.

    (OpenID Connect Core, sections 5.4 and 5.5; a claim that may not be given is left out, section 5.5.1)
    """
    wanted = [c for s in scopes for c in SCOPE_CLAIMS.get(s, ())]
    asked: dict[str, dict[str, dict[str, Any] | None] | None] = {}
    if text:
        try:
            asked = msgspec.json.decode(text, type=dict[str, dict[str, dict[str, Any] | None] | None])
        except (msgspec.DecodeError, RecursionError):
            raise InvalidRequest(
                "claims is a JSON object with userinfo and id_token.", field="claims", rule="JSON"
            ) from None
    in_info, in_id = ((asked.get(part) or {}) for part in ("userinfo", "id_token"))
    allowed = client.claims - _PROTOCOL_CLAIMS
    info, token = (tuple(c for c in dict.fromkeys(some) if c in allowed) for some in ([*wanted, *in_info], in_id))
    needed = [c for part in (in_info, in_id) for c, how in part.items() if how and how.get("essential") is True]
    acr = in_id.get("acr") or {}
    subject = str((in_id.get("sub") or {}).get("value") or "")
    return Wanted(
        userinfo=info,
        id_token=token,
        essential=tuple(c for c in dict.fromkeys(needed) if c in allowed),
        acr=_asked_acr(acr),
        acr_demanded=acr.get("essential") is True,
        subject=subject,
    )


def _asked_acr(member: dict[str, Any]) -> str:
    values = member.get("values") or [member.get("value")]
    return " ".join(str(v) for v in values if v) if isinstance(values, list) else ""


def hinted_subject(claims: Mapping[str, Any], client_id: str) -> str:
    """The `sub` of an ID token of ours that this client was given, however old. Raises InvalidRequest."""
    if claims.get("aud") != client_id:
        raise InvalidRequest("id_token_hint is another client's.", field="id_token_hint", rule="aud")
    return str(claims["sub"])


def session_suffices(asked: Asked, begun_at: float, session: Session | None, now: float) -> bool:
    """Whether this session answers the request: enough factors, young enough, and proved anew where asked for."""
    if session is None or session.factors < asked.factors:
        return False
    proved_at = session.proved_at.timestamp()
    if asked.max_age_s >= 0 and now - proved_at > max(asked.max_age_s, now - begun_at):
        return False
    return not ({"login", "select_account"} & set(asked.prompt)) or proved_at >= begun_at


def claims_to_ask(asked: Asked, client: Client, agreed: Iterable[str], refused: Iterable[str] = ()) -> tuple[str, ...]:
    """What the person must still decide about; nothing for the stack's own first-party client.

    What was refused before is asked for again only if the client needs it, or asks for the page.
    """
    wanted = tuple(dict.fromkeys(asked.claims + asked.id_claims + asked.powers))
    if client.first_party:
        return ()
    if "consent" in asked.prompt:
        return wanted
    known, no = set(agreed), set(refused) - set(asked.essential)
    return tuple(c for c in wanted if c not in known and c not in no)


def verify_pkce(verifier: str, challenge: str) -> None:
    """Raises InvalidGrant unless SHA-256 of the verifier is the challenge (RFC 7636, section 4.6)."""
    if not _VERIFIER.fullmatch(verifier):
        raise InvalidGrant(rule="code_verifier has 43 to 128 unreserved characters")
    digest = b64(hashlib.sha256(verifier.encode()).digest())
    if not hmac.compare_digest(digest, challenge):
        raise InvalidGrant(rule="PKCE verifier")


def check_token_key(client: Client, jkt: str) -> None:
    """Raises InvalidRequest if a FAPI client asks for tokens without a DPoP proof (law 5; FAPI 2.0, 5.3.2.1)."""
    if client.profile is Profile.FAPI and not jkt:
        raise InvalidRequest("This client's tokens are bound to a key.", field="DPoP", rule="DPoP proof needed")


def check_redemption(terms: Terms, *, redirect_uri: str, verifier: str, jkt: str) -> None:
    """Raises InvalidGrant unless a code is redeemed as it was asked for (RFC 6749, section 4.1.3; RFC 9449, 10)."""
    if redirect_uri != terms.redirect_uri:
        raise InvalidGrant(rule="redirect_uri")
    if terms.challenge or not terms.nonce:
        verify_pkce(verifier, terms.challenge)
    elif verifier:  # nobody slips a verifier under a request that had no challenge (RFC 9700, section 2.1.1)
        raise InvalidGrant(rule="code_verifier without code_challenge")
    if terms.jkt and not hmac.compare_digest(terms.jkt, jkt):
        raise InvalidGrant(rule="DPoP key")


def gives_refresh(client: Client, scopes: Iterable[str]) -> bool:
    """Whether a refresh token comes with the tokens: asked for, and the client is bound by a key of its own."""
    return "offline_access" in scopes and client.profile is not Profile.PUBLIC


def narrowed(scope: str, granted: tuple[str, ...]) -> tuple[str, ...]:
    """The scopes of a refreshed token (RFC 6749, section 6). Raises InvalidScope for more than was granted."""
    asked = tuple(scope.split()) or granted
    if not set(asked) <= set(granted):
        raise InvalidScope(field="scope", rule="not more than was granted")
    return asked


def check_software_scopes(client: Client, scope: str) -> tuple[str, ...]:
    """The scopes of a token for the client itself. Raises UnauthorizedClient or InvalidScope."""
    if client.profile is Profile.PUBLIC:
        raise UnauthorizedClient(rule="a public client has no secret to act by itself")
    personal = {"openid", "offline_access", *SCOPE_CLAIMS}
    scopes = read_scopes(scope, client) if scope else tuple(sorted(client.scopes - personal))
    if set(scopes) & personal:
        raise InvalidScope(field="scope", rule="scopes about people need a person's sign-in")
    return scopes


def with_query(uri: str, parameters: Mapping[str, str]) -> str:
    """`uri` with parameters added to its query; empty ones are left out."""
    query = urlencode({k: v for k, v in parameters.items() if v})
    if not query:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{query}"
