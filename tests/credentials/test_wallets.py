"""Wallets and readers that we did not write fetch credentials from a running issuer and check them."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from tests.credentials.test_issuance import at, awarded  # noqa: F401 - a fixture
from tests.credentials.wallet_kit import Provider, bare
from tests.running import free_port
from tests.signin.conftest import PIN, Sms
from tests.signin.party import Browser
from tests.signin.people import enrol
from tests.site import web_app

from msingi import countries
from msingi.credentials.forms import jose
from msingi.credentials.issuance import acts, certificates, offers
from msingi.kernel.context import Actor, Context, Kind, context, job_context
from msingi.kernel.postgres import as_app
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin.model import Client, Profile

JS = Path(__file__).parents[1] / "js"
BACK = "https://wallet.example/back"


@pytest.fixture(scope="module")
async def asha(stack: Stack) -> Any:
    """A person with a phone and a PIN."""
    person = await enrol(stack, "Asha", "Mushi", "+255700000001")
    await signin.set_pin(stack, job_context("sample"), person.person_id, PIN)
    return person


@pytest.fixture
async def live(owner_url: str, stack: Stack) -> AsyncIterator[tuple[Stack, Sms]]:
    """The same country behind a real port, with that port in its issuer."""
    port = free_port()
    settings = Settings(home=stack.settings.home, host="127.0.0.1", port=port, sandbox=True)
    made = await Stack.open(settings, as_app(owner_url), countries.load("taifa"))
    server = uvicorn.Server(uvicorn.Config(web_app(made), port=port, log_level="warning", timeout_keep_alive=75))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    box = Sms(made)
    made.outbox.subscribe("sms.requested", box.take)
    yield made, box
    server.should_exit = True
    await serving


class Node:
    """The wallet in a process of its own, spoken to by lines."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    @classmethod
    async def start(cls, **order: Any) -> "Node":
        """Start it with an order."""
        pipe = asyncio.subprocess.PIPE
        made = cls(
            await asyncio.create_subprocess_exec(
                "node", str(JS / "fetch_credentials.mjs"), stdin=pipe, stdout=pipe, stderr=pipe, limit=2**22
            )
        )
        made.say(json.dumps(order))
        return made

    def say(self, line: str) -> None:
        """Tell it something."""
        assert self.process.stdin
        self.process.stdin.write(line.encode() + b"\n")

    async def hear(self) -> dict[str, Any]:
        """What it says next."""
        assert self.process.stdout and self.process.stderr
        line = await self.process.stdout.readline()
        assert line, (await self.process.stderr.read()).decode()
        return json.loads(line)


def own(person_id: Any) -> Context:
    """The person in the portal, with two factors."""
    return context(Actor(Kind.PERSON, str(person_id), assurance=2), "credential-issuance", "legal-obligation")


async def read_by_others(stack: Stack, sd_jwt: str, mdoc: str) -> dict[str, Any]:
    """What @sd-jwt/sd-jwt-vc and @owf/mdoc read, with the status list fetched from the issuer."""
    root = (await certificates.anchors(stack)).roots[0]
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(
        "node", "verify_forms.mjs", cwd=JS, stdin=pipe, stdout=pipe, stderr=pipe
    )
    asked = json.dumps({"sdjwt": sd_jwt, "mdoc": mdoc, "root": jose.b64(root)})
    out, err = await running.communicate(asked.encode())
    assert running.returncode == 0, err.decode()
    return json.loads(out)


async def test_an_independent_wallet_takes_an_offer_by_reference_with_a_transaction_code(live, asha):
    """Pre-authorized, anonymous, DPoP: SD-JWT VC and mdoc, two copies each; other people's readers accept both."""
    stack, _ = live
    offer = await acts.make_offer(stack, own(asha.person_id), asha.person_id, "national-id")
    wallet = await Node.start(
        offer=offer.link, tx_code=offer.tx_code, count=2, configurations=["national-id.sd-jwt", "national-id.mdoc"]
    )
    found = await wallet.hear()
    assert found["version"] == "V1" and found["token_type"] == "DPoP"
    assert [len(copies) for copies in found["credentials"].values()] == [2, 2]
    read = await read_by_others(stack, *(copies[0] for copies in found["credentials"].values()))
    assert read["sdjwt"]["family_name"] == "Mushi"
    assert read["mdoc"]["elements"]["org.iso.23220.1 family_name_latin1"] == "Mushi"


async def test_an_independent_attested_wallet_uses_par_pkce_and_dpop(live, asha):
    """HAIP: the authorization code, with PAR, an attestation and its proof at PAR and token, scopes, DPoP."""
    stack, sms = live
    provider = Provider("wallet-" + os.urandom(3).hex())
    await signin.add_client(
        stack,
        job_context("sample"),
        Client(
            client_id=provider.client_id,
            name="The wallet of Utopia",
            institution="benki",
            profile=Profile.FAPI,
            redirect_uris=(BACK,),
            scopes=frozenset({"openid"}),
            auth="attest_jwt_client_auth",
        ),
    )
    approver = context(
        Actor(Kind.STAFF, "approver-2", "rita", frozenset({"credential-approver"}), 2),
        "credential-issuance",
        "legal-obligation",
    )
    root = base64.b64encode(provider.root).decode()
    await acts.accept_wallet_provider(stack, approver, provider.client_id, "Utopia", root)
    private = provider.instance.private_key.private_numbers()  # type: ignore[union-attr]
    instance = {**bare(provider.instance), "d": jose.b64(private.private_value.to_bytes(32))}
    offer = offers.by_value(offers.body(stack, ("national-id.sd-jwt", "national-id.mdoc"), "", False))
    wallet = await Node.start(
        offer=offer,
        client_id=provider.client_id,
        redirect_uri=BACK,
        scope="national-id.sd-jwt national-id.mdoc",
        attestation=provider.attestation(),
        instance=instance,
        count=1,
        configurations=["national-id.sd-jwt", "national-id.mdoc"],
    )
    opened = await wallet.hear()
    assert "request_uri=urn" in opened["open"]
    async with httpx.AsyncClient(base_url=stack.settings.url, headers={"Origin": stack.settings.url}) as http:
        browser = Browser(http, stack.settings.url)
        await browser.open(opened["open"])
        await browser.send("/signin/pin", login=asha.number, pin=PIN)
        await browser.send("/signin/code", code=await sms.code(asha.phone))
        agreed = [f"scope:{name}" for name in ("national-id.sd-jwt", "national-id.mdoc")]
        back = await browser.send("/signin/consent", claim=agreed, decision="agree")
    wallet.say(back.headers["location"])
    found = await wallet.hear()
    assert found["token_type"] == "DPoP" and set(found["scope"].split()) == {"national-id.sd-jwt", "national-id.mdoc"}
    read = await read_by_others(stack, *(copies[0] for copies in found["credentials"].values()))
    assert read["sdjwt"]["given_name"] == "Asha" and read["mdoc"]["docType"] == "org.iso.23220.photoID.1"


async def test_an_independent_wallet_waits_for_an_officer(live, asha, at):  # noqa: F811
    stack, _ = live
    await awarded(stack, at, asha.person_id, "farmer-card")
    offer = await acts.make_offer(stack, own(asha.person_id), asha.person_id, "farmer-card", with_code=True)
    wallet = await Node.start(
        offer=offer.by_value, tx_code=offer.tx_code, count=1, configurations=["farmer-card.sd-jwt"]
    )
    waits = await wallet.hear()
    assert waits["waits"] and waits["interval"] == 30
    request = next(w for w in await acts.waiting_requests(stack, at("hazina")) if w.person_id == asha.person_id)
    await acts.decide_request(stack, at("hazina"), asha.person_id, request.request_id, True)
    wallet.say("go")
    found = await wallet.hear()
    assert len(found["credentials"]["farmer-card.sd-jwt"]) == 1


async def test_the_metadata_is_public_signed_and_complete(live):
    stack, _ = live
    async with httpx.AsyncClient(base_url=stack.settings.url) as http:
        told = (await http.get("/.well-known/openid-credential-issuer")).json()
        assert told["credential_issuer"] == stack.settings.url
        for name, configuration in told["credential_configurations_supported"].items():
            assert configuration["scope"] == name and configuration["proof_types_supported"]["jwt"]
        licence = told["credential_configurations_supported"]["driving-licence.mdoc"]
        assert licence["credential_signing_alg_values_supported"] == [-7] and licence["doctype"].endswith("mDL")
        signed = await http.get("/.well-known/openid-credential-issuer", headers={"Accept": "application/jwt"})
        assert signed.headers["content-type"].startswith("application/jwt")
        header, payload = (json.loads(jose.unb64(p)) for p in signed.text.split(".")[:2])
        assert header["typ"] == "openidvci-issuer-metadata+jwt" and len(header["x5c"]) == 1
        assert payload["sub"] == stack.settings.url and payload["credential_endpoint"] == told["credential_endpoint"]
        kind = (await http.get("/credentials/types/national-id")).json()
        assert kind["vct"] == f"{stack.settings.url}/credentials/types/national-id" and kind["claims"]
        keys = (await http.get("/.well-known/jwt-vc-issuer")).json()
        assert keys["issuer"] == stack.settings.url and keys["jwks"]["keys"][0]["alg"] == "ES256"
        server = (await http.get("/.well-known/oauth-authorization-server")).json()
        assert server["pre-authorized_grant_anonymous_access_supported"] is True
        assert {"attest_jwt_client_auth", "attest_jwt_client_auth_dpop"} <= set(
            server["token_endpoint_auth_methods_supported"]
        )
        assert server["status_list_aggregation_endpoint"].endswith("/credentials/status")
        trust = (await http.get("/credentials/trust")).json()
        assert trust["roots"] and trust["document_signers"]
        assert (await http.get("/credentials/trust/root.crl")).content
