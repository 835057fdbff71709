"""People, staff and institutions of a running sandbox, as programs that call its doors."""

import base64
import hashlib
import json
import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey

from msingi.cli.running import at_work
from msingi.cli.visitor import Visitor
from msingi.exchange import client as exchange
from msingi.kernel.context import job_context
from msingi.signin import acts as signin
from msingi.signin.model import Client, Profile

DESK = "test-desk"
CALLBACK = "http://127.0.0.1:9/desk"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


async def register_desk(home: Path) -> ECKey:
    """Register software of the stack's own house, through which people and staff get tokens for API doors."""
    key = ECKey.generate_key("P-256", {"alg": "ES256", "use": "sig", "kid": DESK})
    async with at_work(home) as stack:
        client = Client(
            client_id=DESK,
            name="test desk",
            institution=stack.profile.authority.member,
            profile=Profile.CONFIDENTIAL,
            jwks=(dict(key.as_dict(private=False)),),
            redirect_uris=(CALLBACK,),
            scopes=frozenset({"openid", "api", "offline_access"}),
            first_party=True,
        )
        await signin.add_client(stack, job_context("setup", "operations"), client)
    return key


def assertion(client_id: str, key: ECKey, audience: str) -> dict[str, str]:
    """A client's proof of its key (RFC 7523), as form fields."""
    now = int(time.time())
    claims = {"iss": client_id, "sub": client_id, "aud": audience, "iat": now, "exp": now + 60}
    signed = jwt.encode({"alg": "ES256"}, claims | {"jti": secrets.token_urlsafe(12)}, key)
    return {"client_assertion_type": ASSERTION, "client_assertion": signed}


class Caller:
    """Somebody who signed in at the desk: `http` carries their access token to the stack's doors."""

    def __init__(self, url: str, token: str, who: dict[str, Any]) -> None:
        self.who = who
        headers = {"Authorization": f"Bearer {token}"}
        trust = exchange.usual_trust()
        self.http = httpx.AsyncClient(base_url=url, headers=headers, timeout=20, trust_env=False, verify=trust)

    @classmethod
    async def sign_in(cls, url: str, desk: ECKey, who: dict[str, Any]) -> "Caller":
        """Sign in a person (`number`) or member of staff (`id`) of sample.json, with PIN and one-time code."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        asked = {
            "response_type": "code",
            "client_id": DESK,
            "redirect_uri": CALLBACK,
            "scope": "openid api offline_access" if "number" in who else "openid api",
            "state": secrets.token_urlsafe(8),
            "nonce": secrets.token_urlsafe(8),
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        async with Visitor(url) as browser:
            page = await browser.open(f"/oauth/authorize?{httpx.QueryParams(asked)}")
            sent = len(await browser.messages(who["phone"]))
            page = await browser.submit(page, page.form("pin"), login=who.get("number") or who["id"], pin=who["pin"])
            form = page.form("code")
            code = await browser.newest_code(who["phone"], sent)
            browser.client.follow_redirects = False
            fields = dict(form.form_values()) | {"code": code}
            answer = await browser.client.post(form.action, data=fields)
            while (to := answer.headers["location"]).startswith("/"):
                answer = await browser.client.get(to)
            grant = {
                "grant_type": "authorization_code",
                "code": parse_qs(urlsplit(to).query)["code"][0],
                "redirect_uri": CALLBACK,
                "code_verifier": verifier,
            }
            tokens = await browser.client.post("/oauth/token", data=grant | assertion(DESK, desk, url))
            tokens.raise_for_status()
        return cls(url, tokens.json()["access_token"], who)


class Institution:
    """Software of an institution: its requests are signed with the key in sample.json (RFC 9421)."""

    def __init__(self, url: str, alpha2: str, who: dict[str, Any]) -> None:
        self.url, self.who = url, who
        self.client_id = f"{alpha2}/{who['subsystem']}"
        self.http = httpx.AsyncClient(timeout=20, trust_env=False)

    async def send(self, method: str, path: str, body: Any = None, query: str = "", **more: str) -> httpx.Response:
        """One signed request; `more` are further header fields, underscores for hyphens."""
        raw = b"" if body is None else json.dumps(body).encode()
        fields = {name.replace("_", "-"): value for name, value in more.items()}
        if body is not None:
            fields.setdefault("content-type", "application/json")
        signed = exchange.prepare(
            self.url, self.client_id, self.who["jwk"], path, method=method, query=query, body=raw, headers=fields
        )
        return await self.http.request(method, signed.url, content=raw, headers=signed.headers)


async def software_token(url: str, client: dict[str, Any]) -> tuple[str, ECKey]:
    """An access token of a client of sample.json for itself, bound to a key by DPoP; and that key."""
    dpop, key = ECKey.generate_key("P-256"), ECKey.import_key(client["jwk"])
    form = {"grant_type": "client_credentials"} | assertion(client["client_id"], key, url)
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        proof = dpop_proof(dpop, "POST", f"{url}/oauth/token")
        answer = await http.post("/oauth/token", data=form, headers={"DPoP": proof})
        answer.raise_for_status()
        return answer.json()["access_token"], dpop


def dpop_proof(key: ECKey, method: str, url: str, token: str = "") -> str:
    """A proof of possession of `key` for one request (RFC 9449, section 4.2)."""
    claims: dict[str, Any] = {"htm": method, "htu": url, "iat": int(time.time()), "jti": secrets.token_urlsafe(12)}
    if token:
        digest = hashlib.sha256(token.encode()).digest()
        claims["ath"] = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    return jwt.encode({"alg": "ES256", "typ": "dpop+jwt", "jwk": key.as_dict(private=False)}, claims, key)
