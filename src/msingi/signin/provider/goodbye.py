"""Telling software that a sign-in has ended (OpenID Connect Back-Channel Logout 1.0)."""

import logging
from typing import Any

import httpx
import msgspec

from msingi.kernel import clock
from msingi.kernel.errors import Refusal
from msingi.kernel.ids import token
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin.model import SignedOut
from msingi.signin.provider import rsakeys
from msingi.signin.provider.minting import session_name, subject_of

logger = logging.getLogger("msingi.signin")
EVENT = "http://schemas.openid.net/event/backchannel-logout"
TOKEN_TYPE = "logout+jwt"
TTL_S = 120
WAIT_S = 5.0


async def tell(stack: Stack, payload: bytes) -> None:
    """Send one client its logout token (section 2.5). Raises OSError for a failure, so that it is tried again."""
    ended = msgspec.json.decode(payload, type=SignedOut)
    try:
        client = await signin.client(stack, ended.client_id)
    except Refusal:
        return  # retired meanwhile
    if not client.backchannel_logout_uri:
        return
    now = int(clock.now().timestamp())
    claims: dict[str, Any] = {
        "iss": stack.settings.url,
        "aud": client.client_id,
        "iat": now,
        "exp": now + TTL_S,
        "jti": token(16),
        "sub": subject_of(stack, client, ended.person_id, ended.staff_id),
        "events": {EVENT: {}},
    }
    if ended.session_id is not None:
        claims["sid"] = session_name(stack, client.client_id, ended.session_id)
    form = {"logout_token": await rsakeys.signed_for(stack, client, TOKEN_TYPE, claims)}
    try:
        async with httpx.AsyncClient(timeout=WAIT_S, follow_redirects=False) as http:
            answer = await http.post(client.backchannel_logout_uri, data=form)
    except httpx.HTTPError as failure:
        raise OSError(f"{client.client_id} was not reached: {type(failure).__name__}") from None
    if answer.status_code in (200, 204):
        return
    if answer.status_code == 400:  # it heard, and could not (section 2.8): telling it again changes nothing
        logger.warning("a client could not sign out", extra={"code": client.client_id})
        return
    raise OSError(f"{client.client_id} answered {answer.status_code}")
