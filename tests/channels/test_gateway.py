"""Messages: the real gateway's protocol, its null twin, what is kept, and who may read it (laws 1 and 2)."""

import json
import urllib.error
from datetime import timedelta

import pytest
from tests.site import web_app

from msingi.channels import acts, gateway
from msingi.kernel import clock
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import NotPermitted, Outage
from msingi.kernel.outbox import SmsRequested
from msingi.kernel.settings import Settings

SMS = SmsRequested("+255711000001", "Your code is 123456", "code")


async def test_the_real_gateway_is_asked_over_http_and_its_reference_kept():
    seen = []

    def send(request):
        seen.append(request)
        return b'{"reference": "gw-77"}'

    taken = await gateway.HttpGateway("https://gw.example/sms", "k3y", send).send(SMS)
    assert taken.reference == "gw-77" and not taken.simulated
    body = json.loads(seen[0].data)
    assert (body["to"], body["text"]) == (SMS.to, SMS.text) and seen[0].get_header("Authorization") == "Bearer k3y"
    for answer in (b"OK", b"[]", b"{}"):
        taken = await gateway.HttpGateway("https://gw.example/sms", "k", lambda _, a=answer: a).send(SMS)
        assert taken.reference


async def test_a_gateway_that_fails_is_an_outage_that_names_no_address():
    def send(_):
        raise urllib.error.URLError("https://gw.example/sms?key=secret")

    with pytest.raises(Outage) as lost:
        await gateway.HttpGateway("https://gw.example/sms", "k", send).send(SMS)
    assert "secret" not in str(lost.value)


async def test_the_null_twin_says_that_it_is_simulated(stack):
    assert (await gateway.SimulatedGateway().send(SMS)).simulated
    assert isinstance(gateway.gateway_of(stack), gateway.SimulatedGateway)


async def test_without_gateway_and_sandbox_a_message_waits(stack, monkeypatch):
    monkeypatch.setattr(stack, "settings", Settings(home=stack.settings.home))
    with pytest.raises(Outage):
        await gateway.gateway_of(stack).send(SMS)


async def test_access_deliver(stack, ctx_of):
    made = await acts.deliver(stack, job_context("outbox"), SMS)
    assert made.text == SMS.text and made.simulated
    with pytest.raises(NotPermitted):
        await acts.deliver(stack, ctx_of(Kind.STAFF, "o-1", roles=["operator"]), SMS)


async def test_access_messages(stack, ctx_of, monkeypatch):
    await acts.deliver(stack, job_context("outbox"), SMS)
    operator = ctx_of(Kind.STAFF, "o-1", roles=["operator"])
    assert (await acts.messages(stack, operator, SMS.to))[0].text == SMS.text
    assert await acts.messages(stack, operator, "+255799999999") == []
    with pytest.raises(NotPermitted):
        await acts.messages(stack, ctx_of(Kind.STAFF, "c-1", roles=["clinician"]))
    monkeypatch.setattr(stack, "settings", Settings(home=stack.settings.home, sandbox=False))
    with pytest.raises(NotPermitted):
        await acts.messages(stack, operator)


async def test_a_real_gateways_message_leaves_no_text_behind(stack, monkeypatch, ctx_of):
    real = gateway.HttpGateway("https://gw.example", "k", lambda _: b"{}")
    monkeypatch.setattr(gateway, "gateway_of", lambda _: real)
    made = await acts.deliver(stack, job_context("outbox"), SmsRequested("+255700000042", "secret 999999", "code"))
    assert (made.to, made.text) == ("", "")
    kept = await acts.messages(stack, ctx_of(Kind.STAFF, "o-1", roles=["operator"]))
    assert kept[0].message_id == made.message_id and kept[0].text == "" and kept[0].to == ""


async def test_access_forget(stack, ctx_of):
    await acts.deliver(stack, job_context("outbox"), SMS)
    with clock.freeze(clock.now() + timedelta(days=2)):
        assert await acts.forget(stack, job_context("channels-retention")) >= 1
    assert await acts.messages(stack, ctx_of(Kind.STAFF, "o-1", roles=["operator"])) == []
    assert await acts.forget(stack, job_context("channels-retention")) == 0
    with pytest.raises(NotPermitted):
        await acts.forget(stack, job_context("outbox"))


async def test_the_outbox_delivers_what_a_room_requests(stack, client):
    await acts.deliver(stack, job_context("outbox"), SmsRequested("+255711000777", "hello", "news"))
    answer = await client.get("/sandbox/sms", params={"to": "+255711000777"})
    assert [m["text"] for m in answer.json()] == ["hello"]
    assert (await client.get("/sandbox/sms?to=+255711000777")).json() == answer.json(), (
        "an unescaped plus is understood"
    )


async def test_outside_a_sandbox_the_door_does_not_exist(stack, monkeypatch):
    import httpx

    monkeypatch.setattr(stack, "settings", Settings(home=stack.settings.home, base_url=stack.settings.url))
    transport = httpx.ASGITransport(app=web_app(stack))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as outside:
        answer = await outside.get("/sandbox/sms")
        assert answer.status_code == 404 and answer.json()["code"] == "no-such-door"
        refused = await outside.post(
            "/channels/ussd", data={"sessionId": "1", "phoneNumber": "+255711000001", "text": ""}
        )
        assert refused.status_code == 403 and refused.text.startswith("END ")
