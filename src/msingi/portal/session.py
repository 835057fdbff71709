"""Being signed in: the portal as an OpenID client, and the one sealed cookie that it keeps (law 6)."""

import base64
import hashlib
import zlib
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from litestar.datastructures import Cookie

from msingi.kernel import clock
from msingi.kernel.context import Actor, job_context
from msingi.kernel.errors import Refusal
from msingi.kernel.ids import PersonId, token
from msingi.kernel.keys import public_jwk
from msingi.kernel.stack import Stack
from msingi.portal import rules
from msingi.portal.errors import SignInLost
from msingi.signin import acts as signin
from msingi.signin.bearer import acts as bearer
from msingi.signin.errors import InvalidClient
from msingi.signin.model import NUMBER_CLAIM, Client, Profile
from msingi.signin.provider import acts as provider
from msingi.signin.provider.model import ACR, Shown, TokenOrder, Tokens

CLIENT_ID = "portal"
SCOPES = ("openid", "profile", "number", "api", "offline_access")
SESSION, ATTEMPT = "portal", "portal-attempt"
ATTEMPT_S = 15 * 60
IDLE_S = 30 * 60
ABSOLUTE_S = 12 * 3600


class Attempt(msgspec.Struct, frozen=True, array_like=True):
    """A sign-in under way in this browser; `to` is the page to return to, `factors` how many it must prove."""

    state: str
    nonce: str
    verifier: str
    to: str
    expires_at: int
    factors: int


class Session(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Who is signed in, as the cookie keeps it. Times are Unix times; `proved_at` is that of the sign-in."""

    sid: str
    access: str
    refresh: str
    id_token: str
    until: int
    ends_at: int
    proved_at: int
    name: str
    number: str = ""


def _registration(stack: Stack) -> Client:
    secret = Ed25519PrivateKey.from_private_bytes(stack.keys.blind("portal.client"))
    url = stack.settings.url
    return Client(
        client_id=CLIENT_ID,
        name=stack.profile.say(stack.profile.name),
        institution=stack.profile.authority.member,
        profile=Profile.CONFIDENTIAL,
        jwks=(public_jwk(secret.public_key()),),
        redirect_uris=(f"{url}/sign-in/return",),
        logout_uris=(f"{url}/",),
        scopes=frozenset(SCOPES),
        claims=frozenset(("name", NUMBER_CLAIM)),
        first_party=True,
    )


async def register(stack: Stack) -> None:
    """Make the portal known to the provider; does nothing where it is known as it is now."""
    wanted = _registration(stack)
    try:
        if await signin.client(stack, CLIENT_ID) == wanted:
            return
    except InvalidClient:
        pass
    await signin.add_client(stack, job_context("portal"), wanted)


def seal(stack: Stack, label: str, value: Any) -> str:
    """A value that only this stack can read or make, for a cookie or a hidden field."""
    raw = zlib.compress(msgspec.msgpack.encode(value), 9)
    return base64.urlsafe_b64encode(stack.seal.seal_with_room_key(f"portal.{label}", raw)).decode().rstrip("=")


def unseal(stack: Stack, label: str, text: str, kind: Any) -> Any:
    """What was sealed under this label, as `kind`. Raises ValueError for anything else."""
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != text:
        raise ValueError("not written as we write it")  # the last letter has bits to spare
    opened = stack.seal.unseal_with_room_key(f"portal.{label}", raw)
    # Whatever opens was sealed by us, so its size was ours; still nothing is inflated without end.
    return msgspec.msgpack.decode(zlib.decompressobj().decompress(opened, 65_536), type=kind)


def cookie(stack: Stack, name: str, value: str, max_age_s: int | None = None, path: str = "/") -> Cookie:
    """A cookie that scripts cannot read and other sites' forms do not send; over https bound to this host."""
    secure = stack.settings.url.startswith("https:")
    return Cookie(
        key=f"__Host-{name}" if secure else name,
        value=value,
        path=path if not secure else "/",
        max_age=max_age_s,
        httponly=True,
        samesite="lax",
        secure=secure,
    )


def cookie_of(stack: Stack, cookies: dict[str, str], name: str) -> str:
    """The value of one of our cookies, or empty."""
    return cookies.get(f"__Host-{name}" if stack.settings.url.startswith("https:") else name, "")


def ticket(stack: Stack, session: Session) -> str:
    """What a form of this session carries, and a form of another site cannot (law 6)."""
    return stack.keys.blind(f"portal.form|{session.sid}").hex()


def begin(stack: Stack, to: str, lang: str, factors: int = 2, login: str = "") -> tuple[str, Cookie]:
    """Where to send the browser to sign in, and the cookie that remembers the attempt; `login` is who is expected.

    (OpenID Connect Core, 3.1.2.1; RFC 7636, 4.1 to 4.3)
    """
    now = int(clock.now().timestamp())
    attempt = Attempt(token(16), token(16), token(48), to, now + ATTEMPT_S, factors)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(attempt.verifier.encode()).digest()).decode().rstrip("=")
    asked = {
        "response_type": "code",
        "client_id": CLIENT_ID,
        "redirect_uri": f"{stack.settings.url}/sign-in/return",
        "scope": " ".join(SCOPES),
        "claims": '{"id_token":{"name":null,"msingi:number":null}}',
        "acr_values": ACR[factors],
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "ui_locales": lang,
    }
    if login:  # somebody in particular, even if another is signed in in this browser
        asked |= {"login_hint": login, "prompt": "login"}
    kept = cookie(stack, ATTEMPT, seal(stack, "attempt", attempt), ATTEMPT_S)
    return f"{stack.settings.url}/oauth/authorize?{urlencode(asked)}", kept


async def complete(stack: Stack, params: dict[str, str], kept: str, request_id: str) -> tuple[Session, str]:
    """The session that a return from the provider gives, and the page to go to. Raises SignInLost, naming the check."""
    # 1. This browser began it here, and not long ago.
    try:
        attempt: Attempt = unseal(stack, "attempt", kept, Attempt)
    except (ValueError, msgspec.DecodeError):
        raise SignInLost(rule="cookie") from None
    if attempt.expires_at < clock.now().timestamp():
        raise SignInLost(rule="time")
    # 2. The answer is to this very attempt (RFC 6749, 10.12), and from this provider (RFC 9207, 2.4).
    if not rules.same(params.get("state", ""), attempt.state):
        raise SignInLost(rule="state")
    if params.get("iss") != stack.settings.url:
        raise SignInLost(rule="issuer")
    if "error" in params:
        raise SignInLost(rule=params["error"][:40])
    # 3. The code, with the verifier that only we know (RFC 7636, 4.5).
    order = TokenOrder(
        grant_type="authorization_code",
        code=params.get("code", ""),
        redirect_uri=f"{stack.settings.url}/sign-in/return",
        verifier=attempt.verifier,
    )
    tokens = await _redeem(stack, order, request_id)
    claims = _claims(tokens.id_token)
    # 4. The ID token answers this attempt (OpenID Connect Core, 3.1.3.7); it came from the provider directly.
    if claims.get("nonce") != attempt.nonce or claims.get("aud") != CLIENT_ID:
        raise SignInLost(rule="nonce")
    # 5. As many factors were proved as we asked for: the request passed through the browser (the same, point 12).
    if next((count for count, name in ACR.items() if name == claims.get("acr")), 0) < attempt.factors:
        raise SignInLost(rule="acr")
    now = int(clock.now().timestamp())
    made = Session(
        sid=token(16),
        access=tokens.access_token,
        refresh=tokens.refresh_token,
        id_token=tokens.id_token,
        until=now + tokens.expires_in,
        ends_at=now + ABSOLUTE_S,
        proved_at=int(claims.get("auth_time", now)),
        name=str(claims.get("name", "")),
        number=str(claims.get(NUMBER_CLAIM, "")),
    )
    return made, attempt.to


async def _redeem(stack: Stack, order: TokenOrder, request_id: str) -> Tokens:
    client = await signin.client(stack, CLIENT_ID)
    ctx = provider.client_context(client, True, request_id)
    return await provider.redeem(stack, ctx, client, order, "", ())


def _claims(id_token: str) -> dict[str, Any]:
    body = id_token.split(".")[1] if id_token.count(".") == 2 else ""
    return msgspec.json.decode(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)) or b"{}")


async def recognise(stack: Stack, kept: str, request_id: str) -> tuple[Session, Actor, bool] | None:
    """The session in a cookie, who that is, and whether the cookie must be written anew; None if nobody is signed in.

    A session that was ended elsewhere, or lay idle for half an hour, is nobody's.
    """
    try:
        session: Session = unseal(stack, "session", kept, Session)
    except (ValueError, msgspec.DecodeError):
        return None
    now = int(clock.now().timestamp())
    if now >= session.ends_at or now >= session.until + IDLE_S:
        return None
    fresh = False
    try:
        if now >= session.until - 5:
            order = TokenOrder(grant_type="refresh_token", refresh_token=session.refresh)
            tokens = await _redeem(stack, order, request_id)
            until = now + tokens.expires_in
            session = msgspec.structs.replace(session, access=tokens.access_token, until=until)
            fresh = True
        actor = await bearer.admit(stack, Shown("bearer", session.access, "", "GET", "/me"))
    except Refusal:
        return None
    return session, msgspec.structs.replace(actor, name=actor.name or session.name), fresh


def person_of(actor: Actor) -> PersonId:
    """The person id of a person who is signed in."""
    return PersonId(UUID(actor.id))


def farewell(stack: Stack, session: Session) -> str:
    """Where to send the browser so that the provider ends the sign-in too (RP-Initiated Logout 1.0, 2)."""
    asked = {"id_token_hint": session.id_token, "post_logout_redirect_uri": f"{stack.settings.url}/"}
    return f"{stack.settings.url}/oauth/logout?{urlencode(asked)}"
