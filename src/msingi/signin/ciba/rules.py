"""The laws of requests to approve, as pure functions."""

import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from msingi.signin.ciba.model import EXPIRES_S, INTERVAL_S, LONGEST_S, MESSAGE_LONGEST, Wish
from msingi.signin.errors import (
    AuthorizationPending,
    ExpiredRequest,
    InvalidBindingMessage,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    RequestRefused,
    SlowDown,
)
from msingi.signin.model import Client, Profile
from msingi.signin.provider.rules import factors_asked, read_claims, read_scopes

HINTS = ("login_hint", "login_hint_token", "id_token_hint")


class State(Struct, frozen=True):
    """Where a request is: `decided` is waiting, approved, refused or redeemed; `slow` counts polls that came early."""

    client_id: str
    decided: str
    expires_at: datetime
    polled_at: datetime | None
    slow: int


def read_wish(params: Mapping[str, str], client: Client) -> Wish:
    """The checked request (CIBA, section 7.1). Raises InvalidRequest and its kin, InvalidScope, naming the field."""
    # 1. Exactly one hint, of a kind that is read here.
    if sum(bool(params.get(hint)) for hint in HINTS) != 1:
        raise InvalidRequest("Exactly one hint names the person.", field="login_hint", rule="one hint")
    if params.get("login_hint_token"):
        raise InvalidRequest("Hint tokens are not read.", field="login_hint_token", rule="login_hint or id_token_hint")
    # 2. Scopes, openid among them.
    scopes = read_scopes(params.get("scope", ""), client)
    if "openid" not in scopes:
        raise InvalidScope("The scope openid is needed.", field="scope", rule="openid")
    # 3. Words that both screens show; FAPI clients must give them (FAPI-CIBA, section 5.2.2).
    message = params.get("binding_message", "")
    if client.profile is Profile.FAPI and not message:
        raise InvalidRequest("A binding message is needed.", field="binding_message", rule="FAPI-CIBA")
    odd = any(unicodedata.category(c) in ("Cc", "Cf", "Co", "Cn", "Zl", "Zp") for c in message)
    if len(message) > MESSAGE_LONGEST or odd:
        raise InvalidBindingMessage(field="binding_message", rule=f"at most {MESSAGE_LONGEST} plain characters")
    # 4. How long it may wait.
    expiry = params.get("requested_expiry", str(EXPIRES_S))
    if not re.fullmatch(r"[1-9][0-9]{0,8}", expiry):
        raise InvalidRequest("requested_expiry is a number of seconds.", field="requested_expiry", rule="seconds")
    claims = read_claims(params.get("claims", ""), scopes, client)
    return Wish(
        scopes=scopes,
        claims=claims.userinfo,
        id_claims=claims.id_token,
        essential=claims.essential,
        factors=factors_asked(f"{claims.acr} {params.get('acr_values', '')}".split(), demanded=claims.acr_demanded),
        message=message,
        lives_s=min(int(expiry), LONGEST_S),
    )


def poll(state: State, client: Client, now: datetime) -> Exception | None:
    """What a poll is answered; None if tokens are due (law 4; CIBA, section 11)."""
    if state.client_id != client.client_id:
        return InvalidGrant(rule="made for another client")
    if state.decided == "redeemed":
        return InvalidGrant(rule="redeemed before")
    if state.expires_at <= now:
        return ExpiredRequest()
    if state.decided == "refused":
        return RequestRefused()
    if state.decided == "approved":
        return None
    early = timedelta(seconds=INTERVAL_S * (1 + state.slow)) - timedelta(milliseconds=500)
    if state.polled_at is not None and now - state.polled_at < early:
        return SlowDown()
    return AuthorizationPending()


def given(wish: Wish, chosen: tuple[str, ...]) -> tuple[str, ...]:
    """The claims that a yes gives: those chosen, and those without which the software cannot do its work."""
    wanted = dict.fromkeys(wish.claims + wish.id_claims)
    return tuple(c for c in wanted if c in chosen or c in wish.essential)


def described(client: Client, wish: Wish) -> dict[str, Any]:
    """What the person's record says of a request."""
    return {"to": client.name, "institution": client.institution, "message": wish.message}
