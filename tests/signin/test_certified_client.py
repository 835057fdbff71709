"""A certified client that we did not write (npm openid-client) signs in against a running server."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from joserfc.jwk import RSAKey
from msgspec import structs
from tests.running import free_port
from tests.signin.conftest import PIN, RP, Sms
from tests.signin.party import Browser
from tests.signin.test_ciba import decide
from tests.site import web_app

from msingi import countries
from msingi.kernel.context import job_context
from msingi.kernel.postgres import as_app
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack
from msingi.signin import acts

JS = Path(__file__).parents[1] / "js"


@pytest.fixture(scope="module")
def node() -> str:
    """Node with the pinned package installed."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    if not (JS / "node_modules" / "openid-client").is_dir():
        quiet = ["--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(["npm", "ci", *quiet], cwd=JS, check=True, capture_output=True)
    return found


@pytest.fixture
async def live(owner_url: str, stack: Stack, keys: Any, asha: Any) -> AsyncIterator[tuple[Stack, Sms]]:
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


async def test_openid_client_signs_in_with_par_pkce_private_key_jwt_and_dpop(live, node, keys, asha):
    stack, sms = live
    running = await asyncio.create_subprocess_exec(
        node,
        str(JS / "sign_in.mjs"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert running.stdin and running.stdout and running.stderr

    out, err = running.stdout, running.stderr

    async def said() -> dict[str, Any]:
        line = await out.readline()
        assert line, (await err.read()).decode()
        return json.loads(line)

    order = {"issuer": stack.settings.url, "client_id": "bank", "redirect_uri": RP}
    running.stdin.write(json.dumps(order | {"jwk": keys["bank"].as_dict(private=True)}).encode() + b"\n")
    async with httpx.AsyncClient(base_url=stack.settings.url, headers={"Origin": stack.settings.url}) as http:
        browser = Browser(http, stack.settings.url)
        await browser.open((await said())["open"])
        await browser.send("/signin/pin", login=asha.number, pin=PIN)
        await browser.send("/signin/code", code=await sms.code(asha.phone))
        back = await browser.send("/signin/consent", claim=["name", "birthdate"], decision="agree")
    running.stdin.write(back.headers["location"].encode() + b"\n")
    found = await said()
    assert found["token_type"] == "dpop" and found["own"] == "dpop" and found["metadata"] is True
    assert found["claims"]["sub"] == stack.pseudonym.of("benki", asha.person_id)
    assert found["known"] == found["again"]
    assert found["known"]["name"] == asha.full_name and "phone_number" not in found["known"]
    assert found["after"] == "invalid_token"
    assert found["bye"].startswith(f"{stack.settings.url}/oauth/logout?")
    assert await running.wait() == 0


async def test_openid_client_asks_a_person_who_is_elsewhere(live, node, keys, asha):
    stack, sms = live
    running = await asyncio.create_subprocess_exec(
        node,
        str(JS / "approve.mjs"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert running.stdin and running.stdout and running.stderr
    order = {"issuer": stack.settings.url, "client_id": "shop", "login_hint": asha.number}
    running.stdin.write(json.dumps(order | {"jwk": keys["shop"].as_dict(private=True)}).encode() + b"\n")
    first = await running.stdout.readline()
    assert first, (await running.stderr.read()).decode()
    assert json.loads(first)["asked"]["interval"] == 5
    async with httpx.AsyncClient(base_url=stack.settings.url, headers={"Origin": stack.settings.url}) as http:
        browser = Browser(http, stack.settings.url)
        await browser.open("/signin/requests")
        await browser.send("/signin/pin", login=asha.number, pin=PIN)
        await decide(browser, "agree", "name", origin=stack.settings.url)
        page = await browser.send("/signin/code", code=await sms.code(asha.phone))
        assert "LION-7" in page.text
        await decide(browser, "agree", "name", origin=stack.settings.url)
    second = await running.stdout.readline()
    assert second, (await running.stderr.read()).decode()
    found = json.loads(second)
    assert found["token_type"] == "dpop" and found["known"]["name"] == asha.full_name
    assert found["claims"]["sub"] == stack.pseudonym.of("benki", asha.person_id)
    assert found["seen"]["active"] and found["seen"]["token_type"] == "DPoP" and found["seen"]["cnf"]["jkt"]
    assert found["after"] == {"active": False}
    assert await running.wait() == 0


async def test_openid_client_as_a_relying_party_of_esignet_without_pkce_and_with_rs256(live, node, keys, asha):
    (stack, sms), key = live, RSAKey.generate_key(2048, {"alg": "RS256"})
    shop = await acts.client(stack, "shop")
    mart = {"client_id": "mart", "jwks": (key.as_dict(private=False),), "userinfo_signed": True}
    new = structs.replace(shop, **mart, id_token_signed_response_alg="RS256")
    await acts.add_client(stack, job_context("sample"), new)
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), asyncio.subprocess.PIPE)
    running = await asyncio.create_subprocess_exec(node, str(JS / "rely.mjs"), **pipes)
    assert running.stdin and running.stdout and running.stderr
    order = {"issuer": stack.settings.url, "client_id": "mart", "redirect_uri": RP, "jwk": key.as_dict(private=True)}
    running.stdin.write(json.dumps(order).encode() + b"\n")
    first = await running.stdout.readline()
    assert first, (await running.stderr.read()).decode()
    async with httpx.AsyncClient(base_url=stack.settings.url, headers={"Origin": stack.settings.url}) as http:
        browser = Browser(http, stack.settings.url)
        await browser.open(json.loads(first)["open"])
        await browser.send("/signin/pin", login=asha.number, pin=PIN)
        await browser.send("/signin/code", code=await sms.code(asha.phone))
        back = await browser.send("/signin/consent", claim=["name"], decision="agree")
    running.stdin.write(back.headers["location"].encode() + b"\n")
    second = await running.stdout.readline()
    assert second, (await running.stderr.read()).decode()
    found = json.loads(second)
    assert found["token_type"] == "bearer" and found["known"]["name"] == asha.full_name
    assert found["claims"]["sub"] == stack.pseudonym.of("benki", asha.person_id)


async def test_the_client_was_registered_like_any_other(stack, keys):
    client = await acts.client(stack, "bank")
    await acts.add_client(stack, job_context("sample"), client)
    assert await acts.client(stack, "bank") == client
