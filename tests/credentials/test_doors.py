"""The room's doors over HTTP: cards for officers and holders; keys, lists and the verifier for anybody."""

import asyncio
import random

import pytest

from msingi.countries.portrait import portrait
from msingi.credentials import cose, statuslist
from msingi.credentials.verify import State, verify_card
from msingi.identity import acts as identity
from msingi.identity.model import Enrolled, EnrolmentOrder, Name
from msingi.kernel import clock, web
from msingi.kernel.context import Actor, Kind, job_context

OFFICER = Actor(Kind.STAFF, "officer-1", "rita", frozenset({"card-officer", "enrolment-officer", "registrar"}), 2)


@pytest.fixture
def acting(client):
    """Lets the test say who calls; other rooms bring the real ways to sign in."""
    who: list[Actor | None] = [OFFICER]

    async def told(stack, request):
        return who[0]

    before = list(web._authenticators)
    web._authenticators[:] = [told]
    yield lambda actor: who.__setitem__(0, actor)
    web._authenticators[:] = before


@pytest.fixture
async def person(stack):
    """An enrolled person with a photo."""
    name = "".join(random.choices("abcdefghijklmnoprstuwyz", k=12))
    order = EnrolmentOrder(Name(name.capitalize(), "Mushi"), photo=portrait(name))
    outcome = await identity.enrol(stack, job_context("setup", "identity-registration"), order, name)
    assert isinstance(outcome, Enrolled)
    return str(outcome.person_id)


async def test_the_whole_life_of_a_card(client, acting, person):
    made = await client.post("/v1/credentials/cards", json={"person_id": person, "order_id": "a"})
    assert made.status_code == 201, made.text
    card = made.json()
    assert (await client.post("/v1/credentials/cards", json={"person_id": person, "order_id": "a"})).json() == card
    pdf = await client.get(f"/v1/credentials/cards/{card['credential_id']}/card.pdf")
    assert pdf.headers["content-type"] == "application/pdf" and pdf.content.startswith(b"%PDF")
    assert pdf.headers["cache-control"] == "private, no-store"
    sheet = await client.post("/v1/credentials/sheets", json={"credential_ids": [card["credential_id"]]})
    assert sheet.status_code == 200 and sheet.content.startswith(b"%PDF")

    jwks = (await client.get("/.well-known/msingi-issuer-keys.json")).json()
    for verb, reason, state in (
        ("suspend", "lost", State.SUSPENDED),
        ("reinstate", "found", State.VALID),
        ("revoke", "stolen", State.REVOKED),
    ):
        told = await client.post(f"/v1/credentials/cards/{card['credential_id']}/{verb}", json={"reason": reason})
        assert told.status_code == 200, told.text
        token = (await client.get(f"/credentials/status/{card['status_list']}")).text
        assert verify_card(card["qr_text"], jwks, token, clock.now()).state is state
    [line] = (await client.get(f"/v1/credentials/persons/{person}/cards")).json()
    assert (line["state"], line["reason"]) == ("revoked", "stolen")


async def test_refusals_name_rule_and_remedy(client, acting, person):
    gone = await client.get("/v1/credentials/cards/222222222/card.pdf")
    assert gone.status_code == 404 and gone.json()["code"] == "credentials.no-such-card" and gone.json()["remedy"]
    for path in ("abc", "2222222222", "22222222é"):
        assert (await client.get(f"/v1/credentials/cards/{path}/card.pdf")).status_code == 400
    for body in ({}, {"person_id": "x"}, {"person_id": person, "extra": 1}, []):
        assert (await client.post("/v1/credentials/cards", json=body)).status_code == 400
    card = (await client.post("/v1/credentials/cards", json={"person_id": person})).json()
    odd = await client.post(f"/v1/credentials/cards/{card['credential_id']}/revoke", json={"reason": "whim"})
    assert odd.status_code == 400
    acting(Actor(Kind.PERSON, "00000000-0000-7000-8000-000000000000", assurance=2))
    denied = await client.get(f"/v1/credentials/cards/{card['credential_id']}/card.pdf")
    assert denied.status_code == 403
    acting(None)
    assert (await client.get(f"/v1/credentials/cards/{card['credential_id']}/card.pdf")).status_code == 401
    acting(Actor(Kind.PERSON, person, assurance=1))
    assert (await client.get(f"/v1/credentials/cards/{card['credential_id']}/card.pdf")).status_code == 200


async def test_lists_are_served_by_accept_with_validators(client, acting, person):
    card = (await client.post("/v1/credentials/cards", json={"person_id": person})).json()
    jwks = (await client.get("/.well-known/msingi-issuer-keys.json")).json()
    keys = cose.keys_of_jwks(jwks)
    listed = (await client.get("/credentials/status")).json()["status_lists"]
    assert listed and listed[0].endswith(f"/credentials/status/{card['status_list']}")
    path = f"/credentials/status/{card['status_list']}"
    for accept, media in ((statuslist.MEDIA_CWT,) * 2, ("*/*", statuslist.MEDIA_JWT), (statuslist.MEDIA_JWT,) * 2):
        answer = await client.get(path, headers={"Accept": accept})
        assert answer.headers["content-type"].startswith(media)
        assert answer.headers["access-control-allow-origin"] == "*"
        content = answer.content if media == statuslist.MEDIA_CWT else answer.text
        assert statuslist.read(content, keys).uri.endswith(path)
    again = await client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert (await client.get(f"{path}?time=1700000000")).status_code == 501
    for number in ("99", "0", "-1", "99999999999999999999"):
        assert (await client.get(f"/credentials/status/{number}")).status_code == 404


@pytest.mark.parametrize("language", ["sw", "en", "fr", "ar"])
async def test_the_page_in_every_language(client, language):
    answer = await client.get(f"/verify?lang={language}")
    assert answer.status_code == 200
    assert f'<html lang="{language}" dir="{"rtl" if language == "ar" else "ltr"}">' in answer.text
    assert "<script>" not in answer.text and " style=" not in answer.text, "the content security policy forbids both"
    assert "script-src 'self'" in answer.headers["content-security-policy"]


async def test_the_page_speaks_the_readers_language(client):
    answer = await client.get("/verify", headers={"Accept-Language": "fr-CD,fr;q=0.9"})
    assert '<html lang="fr"' in answer.text
    assert '<html lang="sw"' in (await client.get("/verify", headers={"Accept-Language": "xx"})).text


async def test_the_script_is_one_small_file_without_dependencies(client):
    script = await client.get("/verify/verifier.js")
    assert script.headers["service-worker-allowed"] == "/verify"
    assert len(script.content) < 30_000
    assert "import " not in script.text.replace("importKey", "") and "http" not in script.text.replace("https, or", "")
    style = await client.get("/verify/verifier.css")
    assert "PRIMARY" not in style.text and "#0f5c4d" in style.text
    assert (await client.get("/verify/other.js")).status_code == 404


async def test_pictures_are_read_in_memory(client, acting, person, tmp_path, monkeypatch):
    import zxingcpp

    card = (await client.post("/v1/credentials/cards", json={"person_id": person})).json()
    code = zxingcpp.create_barcode(card["qr_text"], zxingcpp.BarcodeFormat.QRCode).to_image(scale=4)
    from io import BytesIO

    from PIL import Image

    out = BytesIO()
    Image.fromarray(code).save(out, "PNG")
    monkeypatch.setattr("builtins.open", lambda *a, **k: pytest.fail("a file was opened"))
    answer = await client.post("/verify/read", content=out.getvalue())
    assert answer.json() == {"text": card["qr_text"]}
    faces = await client.post("/verify/read", content=portrait(1))
    assert (faces.status_code, faces.json()["code"]) == (422, "credentials.no-code-found")
    odd = await client.post("/verify/read", content=b"GIF89a not a picture")
    assert (odd.status_code, odd.json()["code"]) == (400, "credentials.unreadable")
    huge = await client.post("/verify/read", content=bytes(4 * 1024 * 1024 + 1))
    assert (huge.status_code, huge.json()["code"]) == (413, "credentials.picture-too-large")
    many = await asyncio.gather(*(client.post("/verify/read", content=out.getvalue()) for _ in range(6)))
    assert {a.status_code for a in many} == {200}
