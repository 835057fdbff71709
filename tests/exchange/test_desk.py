"""Software written for X-Road, through `msingi consumer`: it signs for it, and believes only the exchange's answers."""

import asyncio
import base64
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace
from tests.consent.people import newborn
from tests.exchange import places, serving
from tests.exchange.places import HOSPITAL, KEYS, governor, right_order
from tests.exchange.serving import BIG, on_wire, raw
from tests.running import free_port

from msingi.exchange import acts, client, govstack, registry, signature
from msingi.exchange.consumer import Choices, Desk
from msingi.exchange.model import Offer
from msingi.kernel.context import job_context

SERVICE = "XT/GOV/rita/identity/getRecord"
JS = Path(__file__).parents[1] / "js"


@pytest.fixture(scope="module", autouse=True)
async def place(stack, ctx_of):
    kept = dict(registry._offered)
    places.offer_services()
    await places.opened(stack, ctx_of)
    async with serving.institution() as behind, serving.listening(stack):
        url = f"http://127.0.0.1:{behind.port}"
        described = {"openapi": "3.1.0", "x-xroad-service-code": "getRecord"}
        offer = Offer(
            "clinic-file", places.OWNER, {"en": "File"}, ("name", "scan"), ("health-care",), ("vital-interest",), False,
            True, described, url=url,
        )  # fmt: skip
        scan = replace(offer, service="clinic-scan", openapi={}, fields=("scan",), document="scan")
        for one, fields in ((offer, ("name.given",)), (scan, ("scan",))):
            await acts.publish_offer(stack, job_context("setup"), one)
            order = right_order(basis="vital-interest", fields=fields, endpoints=("* /**",))
            await acts.grant_right(stack, governor(ctx_of), replace(order, service=one.service))
        yield behind
    registry._offered.clear()
    registry._offered.update(kept)


@pytest.fixture
async def desk(stack):
    """The consumer's server for the hospital; gives its address."""
    choices = Choices(
        stack.settings.gateway_url, "XT/" + HOSPITAL, KEYS[HOSPITAL], tuple(stack.keys.public("exchange")),
        "health-care",
    )  # fmt: skip
    made, port = Desk(choices), free_port()
    await made.start(host="127.0.0.1", port=port)
    yield f"http://127.0.0.1:{port}"
    await made.stop(0.5)
    made.pool.close()


@pytest.fixture
async def name(stack, owner_url):
    return stack.pseudonym.of("hospitali", await newborn(stack, owner_url))


async def test_an_x_road_client_needs_to_change_nothing(desk, place, name, stack):
    headers = {"X-Road-Client": "XT/" + HOSPITAL, "X-Road-UserId": "TZ7", "X-Road-Issue": "case 7"}
    async with httpx.AsyncClient() as http:
        got = await http.get(f"{desk}{client.service_path(SERVICE, name)}", headers=headers)
        assert got.json() == {"name": {"given": "Asha"}} and got.headers["x-road-service"] == SERVICE
        assert got.headers["x-road-client"] == "XT/" + HOSPITAL and len(got.headers["x-road-id"]) == 36
        assert place.asked[-1]["fields"]["x-road-userid"] == "TZ7"
        posted = await http.post(f"{desk}{client.service_path(SERVICE, name, 'x')}", content=b"{}", headers=headers)
        assert posted.status_code == 200 and place.asked[-1]["size"] == 2
        listed = await http.get(f"{desk}/r1/XT/GOV/rita/identity/listMethods", headers=headers)
        assert "getRecord" in {one["service_code"] for one in listed.json()["service"]}
        described = await http.get(f"{desk}/r1/XT/GOV/rita/identity/getOpenAPI?serviceCode=getRecord")
        assert described.json()["x-xroad-service-code"] == "getRecord"
        members = await http.get(f"{desk}/listClients", headers={"accept": "application/json"})
        assert "hospitali" in {one["id"]["member_code"] for one in members.json()["member"]}


async def test_request_hash_is_what_the_protocol_says(stack, name):
    made = client.prepare(
        stack.settings.gateway_url, "XT/" + HOSPITAL, KEYS[HOSPITAL], client.service_path(SERVICE, name), method="POST",
        body=b"{}", headers={"msingi-purpose": "health-care"},
    )  # fmt: skip
    wire = on_wire(made)
    _, fields, _ = await raw(stack.settings.gateway_url, wire)
    line, *lines = wire.partition(b"\r\n\r\n")[0].split(b"\r\n")
    kept = b"".join(one + b"\r\n" for one in lines if not one.startswith(b"host"))
    head = hashlib.sha512(line + b"\r\n" + kept).digest()
    wanted = hashlib.sha512(head + hashlib.sha512(b"{}").digest()).digest()
    assert fields["x-road-request-hash"] == base64.b64encode(wanted).decode()


async def test_errors_tell_on_which_side_they_happened(desk, stack, name):
    headers = {"X-Road-Client": "XT/GOV/other/thing"}
    async with httpx.AsyncClient() as http:
        wrong = await http.get(f"{desk}{client.service_path(SERVICE, name)}", headers=headers)
        assert (wrong.status_code, wrong.headers["x-road-error"]) == (400, "Client.BadRequest")
        assert set(wrong.json()) == {"type", "message", "detail"}
        beyond = await http.get(f"{desk}/r1/XT/GOV/rita/identity/noSuchThing/{name}")
        assert beyond.headers["x-road-error"] == "Server.ServerProxy.UnknownService"
        assert (await http.get(f"{desk}/v1/anything")).status_code == 400


@pytest.mark.parametrize("wrong", ["keys", "address"])
async def test_an_answer_that_is_not_the_exchanges_is_not_passed_on(stack, name, wrong):
    keys = tuple(stack.keys.public("exchange")) if wrong == "address" else (client.new_key(),)
    url = "http://127.0.0.1:1" if wrong == "address" else stack.settings.gateway_url
    made, port = Desk(Choices(url, "XT/" + HOSPITAL, KEYS[HOSPITAL], keys, "health-care")), free_port()
    await made.start(host="127.0.0.1", port=port)
    async with httpx.AsyncClient() as http:
        got = await http.get(f"http://127.0.0.1:{port}{client.service_path(SERVICE, name)}")
    await made.stop(0.5)
    kind = "NetworkError" if wrong == "address" else "InvalidSignatureValue"
    assert (got.status_code, got.headers["x-road-error"]) == (500, "Server.ClientProxy." + kind)
    assert b"Asha" not in got.content


async def test_large_bodies_pass_both_ways(desk, place, name):
    block = bytes(64 * 1024)

    async def pieces():
        for _ in range(BIG // len(block)):
            yield block

    async with httpx.AsyncClient(timeout=60) as http:
        sent = await http.post(f"{desk}{client.service_path(SERVICE, name, 'scan')}", content=pieces())
        assert sent.status_code == 200 and place.asked[-1]["size"] == BIG
        path = client.service_path("XT/GOV/rita/identity/clinic-scan", name, "big")
        got = await http.get(f"{desk}{path}")
        assert got.status_code == 200 and len(got.content) == BIG


async def test_govstack_directory_services(client, stack):
    """X-Road's lists in GovStack's shapes, under its own paths and header (bb-information-mediator)."""
    base = "/XT/GOV/rita/identity"
    listed = (await client.get(f"{base}/listMethods")).json()["member"]
    one = next(each for each in listed if each["serviceCode"] == "getRecord")
    assert one["objectType"] == {"object_type": "SERVICE"} and one["applicationCode"] == "identity"
    who = {govstack.CLIENT: "XT/" + HOSPITAL}
    allowed = (await client.get(f"{base}/allowedMethods", headers=who)).json()["member"]
    assert {each["serviceCode"] for each in allowed} == {"person", "getRecord", "clinic-scan"}
    described = await client.get(f"{base}/getOpenAPI?serviceCode=getRecord")
    assert described.headers["content-type"] == "application/json; charset=utf-8"
    assert json.loads(described.json())["x-xroad-service-code"] == "getRecord"
    for wrong in (f"{base}/getOpenAPI", f"{base}/getOpenAPI?serviceCode=_invalid", "/XZ/GOV/rita/identity/getOpenAPI"):
        got = await client.get(wrong)
        assert got.status_code == 400 and isinstance(got.json(), str)
    assert (await client.get("/XZ/GOV/rita/identity/listMethods")).json() == {"member": []}
    members = (await client.get("/listClients", headers=who)).json()["member"]
    assert {"GovStackInstance", "memberClass", "memberCode", "objectType"} <= set(members[0])


@pytest.mark.skipif(not (JS / "node_modules").exists() or not shutil.which("node"), reason="no npm packages here")
async def test_the_npm_implementation_signs_to_us_and_verifies_ours(stack, name):
    path = client.service_path(SERVICE, name)
    asked = {
        "url": stack.settings.gateway_url + path, "client": "XT/" + HOSPITAL, "key": KEYS[HOSPITAL],
        "exchange": stack.keys.public("exchange")[0], "digest": signature.content_digest(b""),
    }  # fmt: skip
    run = await asyncio.to_thread(
        subprocess.run, ["node", "exchange.mjs"], cwd=JS, input=json.dumps(asked), text=True, capture_output=True
    )
    assert run.returncode == 0, run.stderr
    told = json.loads(run.stdout)
    assert told["status"] == 200 and told["verified"] is True and told["tampered"] is False
    assert json.loads(told["body"]) == {"name": {"given": "Asha"}}
