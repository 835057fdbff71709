"""Registration as eSignet asks for it, checked field by field; every fault has eSignet's own code."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from joserfc.errors import JoseError

from msingi.signin.errors import BadRegistration
from msingi.signin.model import CLAIMS, Client, Profile
from msingi.signin.rules import check_redirect_form, is_client_id, secret_members
from msingi.signin.wire import RS256, public_key

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
# What eSignet and GovStack call strengths of sign-in that people of this country can prove.
ACRS = {
    f"{family}:acr:{name}"
    for family in ("idbb", "mosip:idp")
    for name in (
        "generated-code",
        "static-code",
        "linked-wallet",
        "linked-wallet-static-code",
        "biometrics-generated-code",
        "biometrics",
    )
}
CLAIM_NAMES = {"name", "given_name", "middle_name", "family_name", "preferred_username", "birthdate", "phone_number"}
CLAIM_NAMES |= {"individual_id", "phone", "gender", "address", "email", "picture", "locale"}
OURS = {"individual_id": "msingi:number", "phone": "phone_number"} | {c: c for c in CLAIMS}


class Fault(Exception):
    """What is wrong with a registration, as eSignet's error code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def _text(asked: dict[str, Any], name: str, code: str, most: int = 200) -> str:
    value = asked.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > most:
        raise Fault(code, f"{name} is a text of 1 to {most} characters")
    return value.strip()


def _texts(asked: dict[str, Any], name: str, code: str) -> list[str]:
    value = asked.get(name)
    if not isinstance(value, list) or not value or not all(isinstance(v, str) and v for v in value):
        raise Fault(code, f"{name} is a list of at least one text")
    return value


def _key(asked: dict[str, Any]) -> dict[str, Any]:
    found = asked.get("publicKey")
    try:
        jwk = msgspec.json.decode(found, type=dict[str, Any]) if isinstance(found, str) else found
        if not isinstance(jwk, dict) or secret_members(jwk):
            raise ValueError("no public key")
        public_key(jwk)
    except (msgspec.DecodeError, ValueError, KeyError, TypeError, JoseError):
        raise Fault("invalid_public_key", "publicKey is a public JWK: RSA with n and e, or EC with x and y") from None
    return {m: jwk[m] for m in ("kty", "crv", "x", "y", "n", "e", "kid", "use", "alg") if m in jwk}


def _alg(asked: dict[str, Any]) -> str:
    """How its tokens are signed: RS256 unless it says otherwise (OpenID Connect Registration, section 2)."""
    more = asked.get("additionalConfig")
    said = [part.get("id_token_signed_response_alg") for part in (asked, more) if isinstance(part, dict)]
    alg = next((one for one in said if one is not None), RS256)
    if alg not in ("ES256", RS256):
        raise Fault("invalid_additional_config", "id_token_signed_response_alg is RS256 or ES256")
    return alg


def check_time(body: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The request inside its envelope. Raises Fault unless `requestTime` is UTC, within ten minutes of now."""
    text = body.get("requestTime")
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise Fault("invalid_request", "requestTime is like 2026-01-31T08:00:00.000Z")
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Fault("invalid_request", "requestTime is a time that exists") from None
    if abs((now - at).total_seconds()) > 600:
        raise Fault("invalid_request", "requestTime is now")
    asked = body.get("request")
    if not isinstance(asked, dict):
        raise Fault("invalid_request", "request is an object")
    return asked


def token_fault(sent: Mapping[str, str]) -> Fault | None:
    """What a token request lacks, as eSignet calls it, before anything is verified; None for a form that is whole.

    eSignet names what RFC 6749 calls invalid_request and invalid_client more closely; nothing is let through by it.
    """
    if not sent:
        return Fault("invalid_payload", "send a form (application/x-www-form-urlencoded)")
    if not sent.get("grant_type"):
        return Fault("invalid_input", "grant_type is missing")
    if sent["grant_type"] == "authorization_code" and not sent.get("redirect_uri"):
        return Fault("invalid_redirect_uri", "redirect_uri is the one that the code was asked for with")
    if sent.get("client_assertion_type") != ASSERTION_TYPE:
        return Fault("invalid_assertion_type", f"client_assertion_type is {ASSERTION_TYPE}")
    if not sent.get("client_assertion"):
        return Fault("invalid_assertion", "client_assertion is missing")
    return None


def read(asked: dict[str, Any], client_id: str, institution: str = "") -> Client:
    """The client to register, field by field; `institution` names it where the request does not. Raises Fault."""
    if not is_client_id(client_id):
        raise Fault("invalid_client_id", "a client id has 1 to 200 printable ASCII characters without blanks")
    name = _text(asked, "clientName", "invalid_client_name")
    institution = institution or _text(asked, "relyingPartyId", "invalid_rp_id")
    logo = urlsplit(_text(asked, "logoUri", "invalid_uri", 2_000))
    if logo.scheme not in ("http", "https") or not logo.netloc:
        raise Fault("invalid_uri", "logoUri is an address")
    addresses = _texts(asked, "redirectUris", "invalid_redirect_uri")
    claims = _texts(asked, "userClaims", "invalid_claim")
    if not set(claims) <= CLAIM_NAMES:
        raise Fault("invalid_claim", f"claims are among {', '.join(sorted(CLAIM_NAMES))}")
    if not set(_texts(asked, "authContextRefs", "invalid_acr")) <= ACRS:
        raise Fault("invalid_acr", f"strengths are among {', '.join(sorted(ACRS))}")
    if set(_texts(asked, "grantTypes", "invalid_grant_type")) != {"authorization_code"}:
        raise Fault("invalid_grant_type", "authorization_code")
    if set(_texts(asked, "clientAuthMethods", "invalid_client_auth")) != {"private_key_jwt"}:
        raise Fault("invalid_client_auth", "private_key_jwt")
    key = _key(asked)
    for address in addresses:
        try:
            check_redirect_form(address)
        except (BadRegistration, ValueError):
            rule = "a redirect address is https, or http on a loopback host"
            raise Fault("invalid_redirect_uri", rule) from None
    return Client(
        client_id=client_id,
        name=name,
        institution=institution,
        profile=Profile.CONFIDENTIAL,
        jwks=(key,),
        redirect_uris=tuple(addresses),
        scopes=frozenset({"openid", "profile", "phone", "number"}),
        # A claim that this country does not know is not given; asking for it is no fault (OpenID Connect Core, 5.5.1).
        claims=frozenset(OURS[c] for c in claims if c in OURS),
        userinfo_signed=True,
        id_token_signed_response_alg=_alg(asked),
    )
