"""Telling software that a sign-in ended, and what software may learn about tokens."""

import asyncio
from urllib.parse import parse_qs

import pytest
import uvicorn
from msgspec import structs
from tests.running import free_port
from tests.signin.party import answer_of
from tests.signin.test_flow import signed_in, url_of

from msingi.kernel.context import Kind
from msingi.signin import acts as signin
from msingi.signin.provider import goodbye


@pytest.fixture
async def ear(stack, keys, ctx_of):
    """Where the shop hears of sign-ins that ended; the first call fails, as calls do."""
    heard: list[str] = []

    async def listen(scope, receive, send) -> None:
        if scope["type"] != "http":
            return
        body = (await receive())["body"].decode()
        heard.append(parse_qs(body)["logout_token"][0])
        await send({"type": "http.response.start", "status": 503 if len(heard) == 1 else 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    port = free_port()
    server = uvicorn.Server(
        uvicorn.Config(listen, port=port, log_level="warning", timeout_keep_alive=75, lifespan="off")
    )
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    shop = await signin.client(stack, "shop")
    told = structs.replace(shop, backchannel_logout_uri=f"http://127.0.0.1:{port}/bye")
    await signin.add_client(stack, ctx_of(Kind.JOB, "sample"), told)
    yield heard
    await signin.add_client(stack, ctx_of(Kind.JOB, "sample"), shop)
    server.should_exit = True
    await serving


async def shop_tokens(site, browser):
    shop = site.party("shop")
    page = await browser.open(url_of(shop, prompt="consent"))
    if page.status_code == 200:
        page = await browser.send("/signin/consent", decision="agree")
    return shop, (await shop.redeem(answer_of(page)["code"])).json()


async def test_a_client_hears_by_a_signed_token_when_the_session_ends_also_on_the_second_try(site, asha, stack, ear):
    browser = await signed_in(site, asha)
    shop, tokens = await shop_tokens(site, browser)
    _, known = await shop.verify(tokens["id_token"])
    await browser.open("/oauth/logout", params={"id_token_hint": tokens["id_token"]})
    await stack.outbox.drain(stack)
    assert len(ear) == 1
    await asyncio.sleep(1.2)
    await stack.outbox.drain(stack)
    header, claims = await shop.verify(ear[-1])
    assert header["typ"] == "logout+jwt" and claims["aud"] == "shop" and "nonce" not in claims
    assert claims["events"] == {goodbye.EVENT: {}} and claims["sub"] == known["sub"] and claims["sid"] == known["sid"]


async def test_introspection_tells_an_institution_of_its_own_tokens_alone(site, asha, stack):
    browser = await signed_in(site, asha)
    shop, tokens = await shop_tokens(site, browser)

    async def seen(party, token: str):
        return (await party.post("/oauth/introspect", {"token": token}, dpop=None)).json()

    found = await seen(shop, tokens["access_token"])
    assert found["active"] and found["client_id"] == "shop" and found["cnf"]
    assert (await seen(site.party("bank"), tokens["access_token"]))["active"]  # of the same institution
    assert await seen(site.party("portal"), tokens["access_token"]) == {"active": False}
    for text in ("x", tokens["id_token"], tokens["access_token"][:-4] + "AAAA"):
        assert await seen(shop, text) == {"active": False}
    await shop.post("/oauth/revoke", {"token": tokens["access_token"]}, dpop=None)
    assert await seen(shop, tokens["access_token"]) == {"active": False}
    public = await site.party("app").post("/oauth/introspect", {"token": "x"}, dpop=None)
    assert public.status_code == 400 and public.json()["error"] == "unauthorized_client"
    empty = await shop.post("/oauth/introspect", {}, dpop=None)
    assert empty.status_code == 400


async def test_userinfo_is_signed_for_clients_that_registered_for_it(site, asha, stack, ctx_of):
    shop = await signin.client(stack, "shop")
    await signin.add_client(stack, ctx_of(Kind.JOB, "sample"), structs.replace(shop, userinfo_signed=True))
    browser = await signed_in(site, asha)
    party, tokens = await shop_tokens(site, browser)
    got = await party.userinfo(tokens["access_token"])
    assert got.headers["content-type"].startswith("application/jwt")
    _, claims = await party.verify(got.text)
    assert claims["aud"] == "shop" and claims["sub"]
    await signin.add_client(stack, ctx_of(Kind.JOB, "sample"), shop)
