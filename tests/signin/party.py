"""A relying party written against the standards alone, with joserfc: what the tests sign in with."""

import base64
import hashlib
import html
import re
import secrets
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

ISSUER = "http://127.0.0.1:8080"
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Browser:
    """A browser without script: keeps cookies, follows redirects inside the issuer, fills in forms."""

    def __init__(self, http: httpx.AsyncClient, origin: str = ISSUER) -> None:
        self.http, self.origin = http, origin
        self.page: httpx.Response | None = None

    async def open(self, url: str, **more: Any) -> httpx.Response:
        answer = await self.http.get(url, **more)
        return await self._follow(answer)

    async def _follow(self, answer: httpx.Response) -> httpx.Response:
        while answer.status_code == 303 and answer.headers["location"].startswith("/"):
            answer = await self.http.get(answer.headers["location"])
        self.page = answer
        return answer

    def field(self, name: str) -> str:
        assert self.page is not None
        found = re.search(rf'name="{name}" value="([^"]*)"', self.page.text)
        assert found, self.page.text
        return html.unescape(found[1])

    async def send(self, action: str, **fields: Any) -> httpx.Response:
        body = {"flow": self.field("flow"), **fields}
        answer = await self.http.post(action, data=body, headers={"Origin": self.origin})
        return await self._follow(answer)


class Party:
    """One client's software: its key, its DPoP key, and the requests that it makes."""

    def __init__(self, http: httpx.AsyncClient, client_id: str, key: ECKey | None, redirect: str) -> None:
        self.http, self.client_id, self.key, self.redirect = http, client_id, key, redirect
        self.dpop = ECKey.generate_key("P-256")
        self.verifier = secrets.token_urlsafe(48)
        self.nonce, self.state = secrets.token_urlsafe(12), secrets.token_urlsafe(12)

    def assertion(self, **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": ISSUER,
            "jti": secrets.token_urlsafe(12),
            "iat": now,
            "exp": now + 60,
        }
        claims = {k: v for k, v in (claims | changes).items() if v is not None}
        assert self.key is not None
        return jwt.encode({"alg": "ES256"}, claims, self.key)

    def proof(
        self, method: str, url: str, token: str = "", *, header: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        claims: dict[str, Any] = {"htm": method, "htu": url, "iat": int(time.time()), "jti": secrets.token_urlsafe(12)}
        if token:
            claims["ath"] = b64(hashlib.sha256(token.encode()).digest())
        head = {"alg": "ES256", "typ": "dpop+jwt", "jwk": self.dpop.as_dict(private=False)} | (header or {})
        head = {name: value for name, value in head.items() if value is not None}
        return jwt.encode(head, claims | changes, self.dpop)

    def request(self, **changes: Any) -> dict[str, str]:
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect,
            "scope": "openid",
            "state": self.state,
            "nonce": self.nonce,
            "code_challenge": b64(hashlib.sha256(self.verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        return {k: v for k, v in (asked | changes).items() if v is not None}

    def proven(self, form: dict[str, str]) -> dict[str, str]:
        if self.key is None:
            return {"client_id": self.client_id} | form
        return {"client_assertion_type": JWT_BEARER, "client_assertion": self.assertion()} | form

    async def post(self, path: str, form: dict[str, str], *, dpop: str | None = "fresh") -> httpx.Response:
        headers = {}
        if dpop:
            headers["DPoP"] = self.proof("POST", ISSUER + path) if dpop == "fresh" else dpop
        return await self.http.post(path, data=self.proven(form), headers=headers)

    async def push(self, **changes: Any) -> str:
        answer = await self.post("/oauth/par", self.request(**changes))
        assert answer.status_code == 201, answer.text
        return answer.json()["request_uri"]

    async def redeem(self, code: str, *, dpop: str | None = "fresh", **changes: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect,
            "code_verifier": self.verifier,
        }
        return await self.post("/oauth/token", form | changes, dpop=dpop)

    async def userinfo(self, token: str, scheme: str = "DPoP", proof: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"{scheme} {token}"}
        if scheme == "DPoP":
            headers["DPoP"] = proof or self.proof("GET", f"{ISSUER}/oauth/userinfo", token)
        return await self.http.get("/oauth/userinfo", headers=headers)

    async def verify(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        keys = KeySet.import_key_set((await self.http.get("/oauth/jwks")).json())
        read = jwt.decode(token, keys, algorithms=["ES256"])
        return read.header, read.claims


def answer_of(response: httpx.Response) -> dict[str, str]:
    """The parameters that came back to the client's address."""
    assert response.status_code == 303, response.text
    return {name: values[0] for name, values in parse_qs(urlsplit(response.headers["location"]).query).items()}
