"""An institution from outside: it applies, is admitted, asks with three kinds of program, and changes its key."""

import asyncio
import base64
import json
import shutil
import subprocess
import sys

import httpx
import pytest
import uvicorn
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from msgspec.structs import replace
from tests.exchange.places import governor
from tests.running import ROOT, free_port
from tests.site import web_app

from msingi.cli import cli
from msingi.exchange import acts as exchange
from msingi.exchange import client
from msingi.exchange.membership import acts
from msingi.identity import acts as identity
from msingi.identity.model import Birth, Enrolled, EnrolmentOrder, Name
from msingi.kernel.context import job_context

SERVICE = "XT/GOV/rita/identity/person-facts"
CLIENTS = ROOT / "docs" / "clients"


@pytest.fixture(scope="module")
async def base_url(stack, ctx_of):
    """A listening server on the stack, whose registry offers facts about people."""
    await exchange.join_institution(stack, governor(ctx_of), registry_order())
    await exchange.approve(stack, governor(ctx_of), "rita")
    await exchange.publish_registered(stack)
    port = free_port()
    stack.settings = replace(stack.settings, base_url=f"http://127.0.0.1:{port}")
    config = uvicorn.Config(web_app(stack), port=port, lifespan="off", log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.02)
    yield stack.settings.url
    server.should_exit = True
    await running


def registry_order():
    from tests.exchange.places import join_order

    return join_order("GOV/rita/identity", client.new_key())


async def msingi(*args: str) -> tuple[int, str]:
    """A command at the institution, which shares nothing with the stack but the network."""
    done = await asyncio.to_thread(CliRunner().invoke, cli, ["join", *args])
    return done.exit_code, done.output


async def ran(*command: str) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)


async def test_from_nothing_to_the_first_answer_in_minutes(base_url, stack, ctx_of, tmp_path):
    folder = tmp_path / "society"
    applied = ["apply", "--folder", str(folder), "--to", base_url, "--code", "msalaba", "--class", "NGO"]
    applied += ["--name", "Red Cross", "--contact", "it@msalaba.example", "--law", "Societies Act"]
    code, words = await msingi(*applied)
    assert code == 0 and "XT/NGO/msalaba/main" in words, words
    known = json.loads((folder / "exchange.json").read_text())
    assert (folder / "exchange.json").stat().st_mode & 0o077 == 0
    assert (await msingi("status", "--folder", str(folder)))[0] == 3
    asked = (await acts.applications(stack, governor(ctx_of)))[0]
    assert asked.proved and asked.kid == known["key"]["kid"] and asked.kid in words
    shown = await asyncio.to_thread(httpx.get, f"{base_url}/v1/exchange/applications/{asked.application}")
    assert shown.json()["state"] == "waiting" and "contact" not in shown.json()
    await acts.admit_member(stack, governor(ctx_of), asked.application)
    code, words = await msingi("status", "--folder", str(folder), "--wait", "5")
    assert code == 0 and "approved" in words

    wish = ["right", "--folder", str(folder), SERVICE, "--purpose", "social-protection", "--basis", "public-task"]
    wish += ["--law", "Disaster Act s.3", "--fields", "name.given,birth_date", "--by-number"]
    wish += ["--why", "to find families after a flood"]
    owner = governor(ctx_of, ("data-steward",), "rita")
    assert (await msingi(*wish))[0] == 3 and (await msingi(*wish))[0] == 3
    (wished,) = await acts.requests(stack, "msalaba")  # asked twice, sent once
    assert wished.asked_by == "NGO/msalaba/main"
    await acts.decide_right(stack, owner, wished.request, False, "by name of the article, please")
    code, words = await msingi(*wish)
    assert code == 1 and "by name of the article" in words
    assert (await msingi(*wish))[0] == 3
    wished = (await acts.requests(stack, "msalaba"))[0]
    await acts.decide_right(stack, owner, wished.request, True, "")
    code, words = await msingi(*wish, "--wait", "5")
    assert code == 0 and "birth_date" in words, words

    made = await identity.enrol(
        stack, job_context("loader", "identity-registration"),
        EnrolmentOrder(name=Name("Neema", "Massawe"), birth=Birth("1984-05-06")), "join-1",
    )  # fmt: skip
    assert isinstance(made, Enrolled)
    facts = {"name": {"given": "Neema"}, "birth_date": "1984-05-06"}
    code, words = await msingi("ask", "--folder", str(folder), SERVICE, made.number, "--purpose", "social-protection")
    assert code == 0 and json.loads(words) == facts, words
    # The single file that anybody can copy: no package of ours, only the key.
    program = [sys.executable, "-I", str(CLIENTS / "msingi_client.py"), str(folder)]
    done = await ran(*program, SERVICE, made.number, "social-protection")
    assert done.returncode == 0 and json.loads(done.stdout) == facts, done.stderr
    no = await ran(*program, SERVICE, made.number, "health-care")
    assert no.returncode == 1 and json.loads(no.stdout)["type"].startswith("Server.ServerProxy"), no.stderr
    # curl and openssl.
    if shutil.which("curl") and shutil.which("openssl"):
        pem = tmp_path / "key.pem"
        key = client.private_key(known["key"])
        pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        done = await ran(
            str(CLIENTS / "ask.sh"), str(pem), known["key"]["kid"], known["client"], base_url, SERVICE, made.number,
            "social-protection",
        )  # fmt: skip
        assert "200 OK" in done.stdout and '"birth_date":"1984-05-06"' in done.stdout, done.stdout + done.stderr

    code, words = await msingi("roll", "--folder", str(folder))
    assert code == 0 and known["key"]["kid"] in words, words
    code, words = await msingi("ask", "--folder", str(folder), SERVICE, made.number, "--purpose", "social-protection")
    assert code == 0, words
    (folder / "exchange.json").write_text(json.dumps(known))  # the old key is worth nothing now
    code, words = await msingi("ask", "--folder", str(folder), SERVICE, made.number, "--purpose", "social-protection")
    assert code == 1 and "not-standing" in words


async def test_an_institution_offers_a_service_with_nothing_but_its_key(base_url, stack, ctx_of, tmp_path, monkeypatch):
    folder, text = str(tmp_path / "lands"), tmp_path / "titles.yaml"
    text.write_text(
        "openapi: 3.1.0\ninfo: {title: Land titles, version: '1'}\npaths:\n  /{plot}:\n    get:\n      responses:\n"
        "        '200':\n          content: {application/json: {schema: {properties: {owner: {}, area_m2: {}}}}}\n"
    )
    about = ["--name", "Lands", "--contact", "it@lands.example"]
    assert (await msingi("apply", "--folder", folder, "--to", base_url, "--code", "lands", *about))[0] == 0
    described = ["offer", "--folder", folder, "land-titles", str(text), "--purposes", "public-service"]
    described += ["--bases", "public-task", "--level", "99 % within two seconds"]
    code, words = await msingi(*described)
    assert code == 1 and "not known here" in words, words  # it has not joined yet
    asked = (await acts.applications(stack, governor(ctx_of)))[0]
    await acts.admit_member(stack, governor(ctx_of), asked.application)
    code, words = await msingi(*described, "--url", "http://127.0.0.1:5432")
    assert code == 1 and "MSINGI_SERVICE_HOSTS" in words, words
    monkeypatch.setattr(stack, "settings", replace(stack.settings, service_hosts="titles.lands.example"))
    code, words = await msingi(*described, "--url", "https://titles.lands.example/v1")
    assert code == 0 and "owner area_m2" in words, words
    found = await exchange.offer(stack, "land-titles")
    assert (found.owner, found.url) == ("GOV/lands/main", "https://titles.lands.example/v1")
    text.write_text("openapi: 2.0")
    code, words = await msingi(*described)
    assert code == 1 and "openapi: " in words, words
    other = json.loads((tmp_path / "lands" / "exchange.json").read_text())
    order = {"service": "stolen", "owner": "GOV/rita/identity", "openapi": "", "purposes": [], "bases": []}
    made = client.prepare(
        base_url, other["client"], other["key"], "/v1/exchange/descriptions", method="POST",
        body=json.dumps(order).encode(), headers={"content-type": "application/json"},
    )  # fmt: skip
    refused = await asyncio.to_thread(httpx.post, made.url, content=json.dumps(order).encode(), headers=made.headers)
    assert refused.status_code == 403


async def test_what_goes_wrong_is_said(base_url, tmp_path):
    folder = str(tmp_path / "f")
    common = ["--to", base_url, "--name", "X Y", "--contact", "a@b.example"]
    code, words = await msingi("status", "--folder", folder)
    assert code == 1 and "msingi join apply" in words
    code, words = await msingi("apply", "--folder", folder, "--code", "Not A Code", *common)
    assert code == 1 and "lower-case letters" in words and not (tmp_path / "f" / "exchange.json").exists()
    code, words = await msingi("apply", "--folder", folder, "--code", "rita", *common)
    assert code == 1 and "registered" in words
    gone = ["--to", "http://127.0.0.1:9", "--name", "X Y", "--contact", "a@b.example", "--code", "xy"]
    code, words = await msingi("apply", "--folder", folder, *gone)
    assert code == 1 and "does not answer" in words


async def test_a_stolen_name_or_key_proves_nothing(base_url):
    key, other = client.new_key(), client.new_key()
    order = {"institution": "thief", "member_class": "GOV", "name": {"en": "T"}, "contact": "a@b.example"}
    order |= {"subsystem": "main", "key": client.public_part(key)}
    raw = json.dumps(order).encode()

    def send(as_client: str, with_key: dict[str, str], body: bytes = raw) -> httpx.Response:
        made = client.prepare(
            base_url, as_client, with_key, "/v1/exchange/applications", method="POST", body=raw,
            headers={"content-type": "application/json"},
        )  # fmt: skip
        return httpx.post(made.url, content=body, headers=made.headers)

    refused = await asyncio.to_thread(send, "XT/GOV/thief/main", other)
    assert refused.status_code == 401
    assert (await asyncio.to_thread(send, "XT/GOV/rita/identity", key)).status_code == 400
    changed = raw.replace(b"a@b.example", b"x@y.example")
    assert (await asyncio.to_thread(send, "XT/GOV/thief/main", key, changed)).status_code == 401
    bare = await asyncio.to_thread(httpx.post, f"{base_url}/v1/exchange/applications", json=order)
    assert bare.status_code == 201 and bare.json()["proved"] is False
    secret = json.dumps(order | {"key": {**order["key"], "d": base64.urlsafe_b64encode(b"x" * 32).decode()}})
    burnt = await asyncio.to_thread(httpx.post, f"{base_url}/v1/exchange/applications", content=secret)
    assert burnt.status_code == 400 and "private" in burnt.text
