"""A wallet in a few lines, for the tests and the benchmark: keys, proofs, DPoP, attestations, and the requests."""

import base64
import json
import os
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from msingi.credentials.forms import chain, jose
from msingi.credentials.issuance.offers import GRANT
from msingi.kernel.keys import SoftwareSigner


def new_key() -> SoftwareSigner:
    """A key of a wallet."""
    return SoftwareSigner("ES256", os.urandom(32))


def bare(key: SoftwareSigner) -> dict[str, Any]:
    """Its public JWK, without anything that marks it."""
    return jose.bare_key(key.jwk)


def jwt(key: SoftwareSigner, header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A signed JWT with exactly this header (and ES256)."""
    head = jose.b64(json.dumps({"alg": "ES256", **header}).encode())
    return jose.compact(head, json.dumps(claims).encode(), key)


def proof(key: SoftwareSigner, issuer: str, fresh: str, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A proof of possession with the nonce `fresh`; None leaves a claim out."""
    body = {"aud": issuer, "iat": int(time.time()), "nonce": fresh} | claims
    head = {"typ": "openid4vci-proof+jwt", "jwk": bare(key)} | (header or {})
    return jwt(key, {k: v for k, v in head.items() if v is not None}, {k: v for k, v in body.items() if v is not None})


def dpop(key: SoftwareSigner, method: str, url: str, token: str = "", nonce: str = "") -> str:
    """A DPoP proof."""
    from hashlib import sha256

    claims: dict[str, Any] = {"htm": method, "htu": url, "iat": int(time.time()), "jti": os.urandom(12).hex()}
    if token:
        claims["ath"] = jose.b64(sha256(token.encode()).digest())
    if nonce:
        claims["nonce"] = nonce
    return jwt(key, {"typ": "dpop+jwt", "jwk": bare(key)}, claims)


class Provider:
    """A provider of wallets: a root, a signer below it, and what it attests."""

    def __init__(self, client_id: str = "wallet-utopia") -> None:
        now = datetime.now(UTC)
        self.client_id = client_id
        self.root_key, self.key, self.instance = new_key(), new_key(), new_key()
        who = chain.Subject("XU", f"Provider {client_id}", "https://wallet.example")
        self.root = chain.root(who, self.root_key.private_key, now)  # type: ignore[arg-type]
        made = chain.signer(who, self.root, self.root_key.private_key, self.key.public_key, now)  # type: ignore[arg-type]
        self.x5c = [base64.b64encode(made).decode()]

    def attestation(self, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A client attestation; None leaves a claim out."""
        now = int(time.time())
        body = {
            "iss": "https://wallet.example",
            "sub": self.client_id,
            "iat": now,
            "exp": now + 600,
            "cnf": {"jwk": bare(self.instance)},
        } | claims
        head = {"typ": "oauth-client-attestation+jwt", "x5c": self.x5c} | (header or {})
        return jwt(self.key, head, {k: v for k, v in body.items() if v is not None})

    def pop(
        self, issuer: str, key: SoftwareSigner | None = None, header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """The proof beside it."""
        body = {"aud": issuer, "jti": os.urandom(12).hex(), "iat": int(time.time()), "iss": self.client_id} | claims
        return jwt(key or self.instance, {"typ": "oauth-client-attestation-pop+jwt"} | (header or {}), body)

    def key_attestation(
        self, keys: Sequence[SoftwareSigner], signed_by: SoftwareSigner | None = None, **claims: Any
    ) -> str:
        """A key attestation."""
        now = int(time.time())
        body = {
            "iat": now,
            "exp": now + 600,
            "attested_keys": [bare(k) for k in keys],
            "key_storage": ["iso_18045_moderate"],
        } | claims
        head = {"typ": "key-attestation+jwt", "x5c": self.x5c}
        return jwt(signed_by or self.key, head, {k: v for k, v in body.items() if v is not None})


def offer_in(address: str) -> dict[str, Any]:
    """The offer in an address by value."""
    return json.loads(parse_qs(urlsplit(address).query)["credential_offer"][0])


class Wallet:
    """A wallet that talks to one issuer."""

    def __init__(self, client: httpx.AsyncClient, issuer: str) -> None:
        self.http = client
        self.issuer = issuer
        self.token = ""
        self.key: SoftwareSigner | None = None
        self.answer: dict[str, Any] = {}

    async def redeem(self, offer: dict[str, Any], tx_code: str | None, *, bound: bool = False, **more: str) -> Any:
        """A token for a pre-authorized code."""
        form = {"grant_type": GRANT, "pre-authorized_code": offer["grants"][GRANT]["pre-authorized_code"], **more}
        if tx_code is not None:
            form["tx_code"] = tx_code
        headers = {}
        if bound:
            self.key = new_key()
            headers["DPoP"] = dpop(self.key, "POST", self.issuer + "/oauth/token")
        answer = await self.http.post("/oauth/token", data=form, headers=headers)
        if answer.status_code == 200:
            self.answer = answer.json()
            self.token = self.answer["access_token"]
        return answer

    def authorization(self, path: str) -> dict[str, str]:
        """The headers that show the token."""
        if self.key is None:
            return {"Authorization": f"Bearer {self.token}"}
        return {
            "Authorization": f"DPoP {self.token}",
            "DPoP": dpop(self.key, "POST", self.issuer + path, self.token),
        }

    async def nonce(self) -> str:
        """A fresh nonce."""
        return (await self.http.post("/oid4vci/nonce")).json()["c_nonce"]

    async def ask(self, body: Any, path: str = "/oid4vci/credential", **headers: str) -> httpx.Response:
        """A request of any content to one of the wallet's doors."""
        return await self.http.post(path, json=body, headers=self.authorization(path) | headers)

    async def fetch(self, configuration: str, count: int = 1, **more: Any) -> httpx.Response:
        """Copies of a configuration for `count` new keys."""
        nonce = await self.nonce()
        keys = [new_key() for _ in range(count)]
        proofs = {"jwt": [proof(key, self.issuer, nonce) for key in keys]}
        return await self.ask({"credential_configuration_id": configuration, "proofs": proofs} | more)
