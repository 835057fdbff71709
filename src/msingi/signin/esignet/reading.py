"""What eSignet's page and wallets send, as this provider's own terms; every fault has eSignet's own code. Pure."""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Any

import msgspec

from msingi.kernel.errors import Refusal
from msingi.signin.errors import (
    InvalidClient,
    InvalidScope,
    RedirectMismatch,
    UnmetAuthentication,
    UnsupportedResponseType,
)
from msingi.signin.esignet.model import CHANNELS, FACTORS, Chosen, Login, Said
from msingi.signin.esignet.rules import OURS, Fault
from msingi.signin.model import NUMBER_CLAIM, Client
from msingi.signin.provider.model import ACR, Asked
from msingi.signin.wire import b64

WALLET = "Wallet"  # GovStack's word for WLA, at the doors without version
_PARAMETERS = {
    "scope": "scope",
    "responseType": "response_type",
    "clientId": "client_id",
    "redirectUri": "redirect_uri",
    "state": "state",
    "nonce": "nonce",
    "prompt": "prompt",
    "uiLocales": "ui_locales",
    "codeChallenge": "code_challenge",
    "codeChallengeMethod": "code_challenge_method",
    "idTokenHint": "id_token_hint",
    "id_token_hint": "id_token_hint",
}
_FIELDS = {
    "prompt": "invalid_prompt",
    "code_challenge": "invalid_pkce_challenge",
    "id_token_hint": "invalid_id_token_hint",
    "claims": "invalid_claim",
    "acr": "invalid_acr",
}
_KINDS: tuple[tuple[type[Refusal], str], ...] = (
    (InvalidClient, "invalid_client_id"),
    (RedirectMismatch, "invalid_redirect_uri"),
    (UnsupportedResponseType, "invalid_response_type"),
    (InvalidScope, "invalid_scope"),
    (UnmetAuthentication, "invalid_acr"),
)


def parameters(asked: dict[str, Any]) -> dict[str, str]:
    """The request as the parameters of an authorization request (OpenID Connect Core, 3.1.2.1). Raises Fault."""
    found: dict[str, str] = {}
    for theirs, ours in _PARAMETERS.items():
        value = asked.get(theirs)
        if value is None:
            continue
        if not isinstance(value, str) or len(value) > 4_000 or "\0" in value:
            raise Fault("invalid_request", f"{theirs} is a text")
        found[ours] = value
    if asked.get("display") not in (None, "", "page", "popup", "touch", "wap"):
        raise Fault("invalid_display", "page, popup, touch or wap")
    if (age := asked.get("maxAge")) is not None:
        found["max_age"] = str(age)
    strengths = asked.get("acrValues")
    if isinstance(strengths, str) and strengths:
        found["acr_values"] = " ".join(_strength(name) for name in strengths.split())
    found["claims"] = msgspec.json.encode(_claims(asked.get("claims"))).decode()
    return found


def _strength(name: str) -> str:
    """A PIN alone is eSignet's static code, a wallet's key alone its linked wallet; all else is two factors here."""
    return ACR[1] if name.endswith((":acr:static-code", ":acr:linked-wallet")) else ACR[2] if ":acr:" in name else name


def _claims(claims: Any) -> dict[str, dict[str, Any]]:
    """Claims by our names. Verified claims, a list, are left out: all of ours come from the register."""
    if claims is None:
        return {}
    if not isinstance(claims, dict):
        raise Fault("invalid_claim", "claims is an object with userinfo and id_token")
    read: dict[str, dict[str, Any]] = {}
    for part in ("userinfo", "id_token"):
        some = claims.get(part) or {}
        if not isinstance(some, dict):
            raise Fault("invalid_claim", f"claims.{part} is an object")
        known = {str(n): how for n, how in some.items() if how is None or isinstance(how, dict)}
        read[part] = {OURS.get(name, name): how for name, how in known.items()}
    return read


def fault_of(refusal: Refusal) -> Fault:
    """A refusal of the provider as eSignet's error."""
    message = " ".join(p for p in (refusal.title + ".", refusal.detail or refusal.remedy) if p)
    for kind, code in _KINDS:
        if isinstance(refusal, kind):
            return Fault(code, message)
    return Fault(_FIELDS.get(str(refusal.facts.get("field", "")), "invalid_request"), message)


def theirs(claim: str) -> str:
    """A claim by eSignet's name."""
    return "individual_id" if claim == NUMBER_CLAIM else claim


def details(login_id: str, asked: Asked, client: Client, *, named: bool) -> dict[str, Any]:
    """What eSignet's page is told to show; with `named`, the software's name by language, as its versions 2 and 3."""
    claims = dict.fromkeys(asked.claims + asked.id_claims)
    wallet = "WLA" if named else WALLET
    ways = (["PIN"], [wallet]) if asked.factors == 1 else (["PIN", "OTP"], ["PIN", wallet])
    return {
        "transactionId": login_id,
        "authFactors": [[{"type": kind} for kind in way] for way in ways],
        "authorizeScopes": [p.removeprefix("scope:") for p in asked.powers if p.startswith("scope:")],
        "essentialClaims": [theirs(c) for c in claims if c in asked.essential],
        "voluntaryClaims": [theirs(c) for c in claims if c not in asked.essential],
        "configs": {"send.otp.channels": ",".join(CHANNELS), "otp.length": 6, "factors": asked.factors},
        "clientName": {"@none": client.name} if named else client.name,
        "redirectUri": asked.redirect_uri,
    }


def details_hash(shown: dict[str, Any]) -> str:
    """The hash of what the page was told, over its compact JSON, in base64url: `oauth-details-hash`."""
    return b64(hashlib.sha256(msgspec.json.encode(shown)).digest())


def check_shown(login: Login, sent: str) -> None:
    """Raises Fault unless the page holds the details that it was given, whole."""
    if not hmac.compare_digest(sent.encode(), login.details_hash.encode()):
        raise Fault("invalid_transaction", "oauth-details-hash is the hash of what oauth-details answered")


def text(asked: dict[str, Any], name: str, code: str) -> str:
    """A text of the request. Raises Fault with `code`."""
    value = asked.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > 2_000 or "\0" in value:
        raise Fault(code, f"{name} is a text of 1 to 2,000 characters")
    return value.strip()


def said(asked: dict[str, Any]) -> Said:
    """The number and the answers of a try. Raises Fault."""
    individual = text(asked, "individualId", "invalid_identifier")
    answers: dict[str, str] = {}
    listed = asked.get("challengeList")
    if not isinstance(listed, list) or not 1 <= len(listed) <= len(FACTORS):
        raise Fault("invalid_no_of_challenges", f"one challenge for each factor: {', '.join(FACTORS)}")
    for each in listed:
        kind = each.get("authFactorType") if isinstance(each, dict) else None
        kind = "WLA" if kind == WALLET else kind
        if not isinstance(kind, str) or kind not in FACTORS or kind in answers:
            raise Fault("invalid_auth_factor_type", f"each of {', '.join(FACTORS)} once")
        if each.get("format") not in FACTORS[kind]:
            raise Fault("invalid_challenge_format", f"the format is one of {', '.join(FACTORS[kind])}")
        answers[kind] = text(each, "challenge", "invalid_challenge")[: 100 if kind != "WLA" else None]
    return Said(individual, answers)


def _names(asked: dict[str, Any], name: str, code: str) -> tuple[str, ...] | None:
    value = asked.get(name)
    if value is None:
        return None
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(v, str) for v in listed) or len(listed) > 100:
        raise Fault(code, f"{name} is a list of names")
    return tuple(dict.fromkeys(listed))


def chosen(asked: dict[str, Any]) -> Chosen:
    """What was ticked, by our names. Raises Fault."""
    claims = _names(asked, "acceptedClaims", "invalid_accepted_claim")
    scopes = _names(asked, "permittedAuthorizeScopes", "invalid_permitted_scope")
    return Chosen(None if claims is None else tuple(OURS.get(c, c) for c in claims), scopes)


def decided(asked: Asked, given: Chosen) -> tuple[str, ...]:
    """Claims and powers that were given. Raises Fault for one never asked for, and without an essential one."""
    claims, scopes = given.claims or (), given.scopes or ()
    known = {*asked.claims, *asked.id_claims}
    _check(claims, known, "invalid_accepted_claim", "a claim was not asked for")
    _check(asked.essential, set(claims), "invalid_accepted_claim", "the software cannot do without an essential claim")
    _check(scopes, set(asked.scopes), "invalid_permitted_scope", "a scope was not asked for")
    return (*claims, *(p for p in asked.powers if p.removeprefix("scope:") in scopes))


def _check(names: Iterable[str], known: set[str], code: str, message: str) -> None:
    missing = [n for n in names if n not in known]
    if missing:
        raise Fault(code, f"{message}: {', '.join(theirs(n) for n in missing)[:200]}")
