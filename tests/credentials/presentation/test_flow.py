"""From the link in the QR code to what the bank collects: driven by @openid4vc/openid4vp, dcql, @sd-jwt and @owf."""

import base64
import hashlib
import json
import re
from datetime import timedelta
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography import x509
from tests.credentials.presentation.bank import BANK, FIELDS, LAW, banks, browser, mdoc_query, order, running, sd_query
from tests.credentials.presentation.wallet import NOW, Authority, b64u, raw_signature

from msingi.credentials.presentation import acts, envelope, errors
from msingi.credentials.presentation.model import Device, State
from msingi.kernel import clock, log
from msingi.kernel.context import ANYBODY, Kind, context, job_context
from msingi.kernel.errors import NotPermitted


@pytest.fixture(scope="session")
def authority() -> Authority:
    """An authority of today: this module runs on the true clock."""
    return Authority("Civil Registry", int(clock.now().timestamp()) - 86_400)


@pytest.fixture(scope="module")
async def bank(owner_url, tmp_path_factory, wallet, authority, holder):
    async with running(owner_url, tmp_path_factory.mktemp("bank"), wallet, authority, holder) as made:
        yield made


def values(result) -> dict[str, object]:
    return {".".join(map(str, c.path)): c.value for one in result.credentials for c in one.claims}


@pytest.mark.parametrize("enc", ["A128GCM", "A256GCM"])
async def test_an_sd_jwt_is_shown_to_the_bank_by_somebody_elses_wallet(bank, enc):
    made = await bank.ask(sd_query())
    told = await bank.answered(made, await bank.sd(), enc=enc)
    assert (told["status"], told["version"], told["client"]) == (200, 100, "x509_hash"), told["body"]
    assert told["payload"]["response_mode"] == "direct_post.jwt"
    result = await bank.result(made)
    assert result.state is State.ANSWERED and result.device == "other"
    [credential] = result.credentials
    assert (credential.type, credential.issuer, credential.status) == (
        "https://id.example/kinds/id-card", "Civil Registry issuer", "valid",
    )  # fmt: skip
    assert values(result) == {"given_name": "Neema", "address.region": "Mashariki"}


async def test_an_mdoc_is_shown_to_the_bank_by_somebody_elses_wallet(bank):
    made = await bank.ask(mdoc_query())
    told = await bank.answered(made, await bank.mdoc())
    assert told["status"] == 200, told["body"]
    result = await bank.result(made)
    assert set(values(result).values()) == {"Neema", True}


async def test_two_credentials_in_one_answer_and_a_choice_between_them(bank):
    query = {"credentials": sd_query()["credentials"] + mdoc_query()["credentials"]}
    made = await bank.ask(query)
    assert (await bank.answered(made, await bank.sd(), await bank.mdoc()))["status"] == 200
    assert {c.query_id for c in (await bank.result(made)).credentials} == {"card", "pid"}
    made = await bank.ask(query)
    assert (await bank.answered(made, await bank.sd()))["satisfied"] is False
    made = await bank.ask(query | {"credential_sets": [{"options": [["pid"], ["card"]]}]})
    assert (await bank.answered(made, await bank.sd()))["status"] == 200
    assert [c.query_id for c in (await bank.result(made)).credentials] == ["card"]


@pytest.mark.parametrize("mode", ["direct_post", "direct_post.jwt"])
async def test_an_unsigned_request_and_a_response_that_is_not_encrypted(bank, mode):
    for query, credential in ((sd_query(), await bank.sd()), (mdoc_query(), await bank.mdoc())):
        made = await bank.ask(query, client_id_prefix="redirect_uri", response_mode=mode)
        told = await bank.answered(made, credential)
        assert told["status"] == 200 and told["client"] == "redirect_uri", told["body"]
        assert (await bank.result(made)).state is State.ANSWERED


async def test_a_transaction_is_authorised_with_the_presentation(bank):
    data = {"type": "urn:msingi:transfer", "credential_ids": ["card"], "amount": "25000", "currency": "TZS"}
    made = await bank.ask(sd_query(), transaction_data=[data])
    assert (await bank.answered(made, await bank.sd()))["status"] == 200
    assert (await bank.result(made)).state is State.ANSWERED
    made = await bank.ask(sd_query(), transaction_data=[data])
    held = await bank.answered(made, await bank.sd(), hold=True)
    text = held["tokens"]["card"][0].rsplit("~", 1)[0] + "~"
    order_ = {"aud": held["payload"]["client_id"], "nonce": held["payload"]["nonce"], "holder": bank.holder}
    frame = {"given_name": True, "address": {"region": True}}
    plain = await bank.node(
        "presentSd", credential=text, frame=frame, iat=int(clock.now().timestamp()), more={}, **order_
    )
    answer = await sent(bank, made, held["payload"], {"card": [plain]})
    assert answer.status_code == 400 and "transaction_data" in answer.json()["error_description"]


async def sent(bank, made, payload, tokens, **more) -> httpx.Response:
    """What a wallet that obeys nobody sends."""
    jwk = payload["client_metadata"]["jwks"]["keys"][0]
    wish = {"jwk": jwk, "alg": "ECDH-ES", "enc": "A128GCM", "kid": jwk["kid"], "content": {"vp_token": tokens}} | more
    response = await bank.node("encrypt", **wish)
    async with httpx.AsyncClient() as client:
        return await client.post(payload["response_uri"], data={"response": response})


async def held(bank, query=None, **more):
    """A request, and an honest answer to it that was not sent yet."""
    made = await bank.ask(query or sd_query(), **more)
    return made, await bank.answered(made, await bank.sd(), hold=True)


async def test_a_request_object_as_haip_wants_it(bank):
    made = await bank.ask(sd_query())
    link = parse_qs(urlsplit(made.wallet_link).query)
    assert link["request_uri_method"] == ["post"]
    async with httpx.AsyncClient() as client:
        first = await client.get(link["request_uri"][0])
        again = await client.get(link["request_uri"][0])
        posted = await client.post(link["request_uri"][0], data={"wallet_nonce": "w-1", "wallet_metadata": "{}"})
    assert first.headers["content-type"] == "application/oauth-authz-req+jwt"
    heads, bodies = [], []
    for answer in (first, again, posted):
        head, body, _ = answer.text.split(".")
        heads.append(json.loads(base64.urlsafe_b64decode(head + "==")))
        bodies.append(json.loads(base64.urlsafe_b64decode(body + "==")))
    assert heads[0]["typ"] == "oauth-authz-req+jwt" and heads[0]["alg"] == "ES256"
    assert bodies[0] == bodies[1] and bodies[2] == bodies[0] | {"wallet_nonce": "w-1"}
    body = bodies[0]
    assert body["client_id"] == link["client_id"][0] and body["aud"] == "https://self-issued.me/v2"
    assert body["response_type"] == "vp_token" and "redirect_uri" not in body and len(body["nonce"]) == 32
    [jwk] = body["client_metadata"]["jwks"]["keys"]
    assert (jwk["crv"], jwk["alg"], jwk["use"]) == ("P-256", "ECDH-ES", "enc") and "d" not in jwk
    assert body["client_metadata"]["encrypted_response_enc_values_supported"] == ["A128GCM", "A256GCM"]
    [der] = [base64.b64decode(one) for one in heads[0]["x5c"]]
    leaf = x509.load_der_x509_certificate(der)
    assert body["client_id"] == "x509_hash:" + b64u(hashlib.sha256(der).digest())
    async with httpx.AsyncClient() as client:
        pem = (await client.get(f"{bank.url}/credentials/access/authority.pem")).content
    anchor = x509.load_pem_x509_certificate(pem)
    leaf.verify_directly_issued_by(anchor)
    assert leaf.issuer != leaf.subject and "People's Bank" in leaf.subject.rfc4514_string()
    other = await bank.ask(sd_query())
    keys = {envelope_jwk(await acts.look(bank.stack, m.request_id)) for m in (made, other)}
    assert len(keys) == 2, "a key of its own for each request"


def envelope_jwk(row) -> str:
    return row.asked.encryption_jwk["kid"]


WRONG = {
    "another nonce": ({"nonce": "x" * 32}, "nonce"),
    "another verifier": ({"aud": "x509_hash:" + "A" * 43}, "aud"),
    "from the past": ({"iat": NOW - 10_000_000}, "iat"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_a_presentation_for_another_request_is_refused(bank, name):
    changed, rule = WRONG[name]
    made, ready = await held(bank)
    payload = ready["payload"]
    told = {"aud": payload["client_id"], "nonce": payload["nonce"], "iat": int(clock.now().timestamp())} | changed
    frame = {"given_name": True, "address": {"region": True}}
    credential = (await bank.sd())["text"]
    text = await bank.node("presentSd", credential=credential, frame=frame, holder=bank.holder, more={}, **told)
    answer = await sent(bank, made, payload, {"card": [text]})
    assert answer.status_code == 400 and answer.json()["error"] == "invalid_request"
    assert answer.json()["error_description"].endswith(rule)
    assert (await bank.result(made)).state is State.OPEN


async def test_an_answer_counts_once_and_not_for_another_request(bank):
    made, ready = await held(bank)
    assert (await sent(bank, made, ready["payload"], ready["tokens"])).status_code == 200
    again = await sent(bank, made, ready["payload"], ready["tokens"])
    assert again.status_code == 409
    other, fresh = await held(bank)
    replayed = await sent(bank, other, fresh["payload"], ready["tokens"])
    assert replayed.status_code == 400 and replayed.json()["code"] == "presentation.not-for-this-request"


async def test_encryption_is_as_offered_or_refused(bank):
    made, ready = await held(bank)
    payload, tokens = ready["payload"], ready["tokens"]
    other = (await held(bank))[1]["payload"]["client_metadata"]["jwks"]["keys"][0]
    own = payload["client_metadata"]["jwks"]["keys"][0]
    for more, rule in (
        ({"jwk": other, "kid": other["kid"]}, "kid"),
        ({"jwk": other, "kid": own["kid"]}, "jwe-decrypt"),
        ({"kid": None}, "kid"),
        ({"enc": "A128CBC-HS256"}, "jwe-alg-enc"),
    ):
        answer = await sent(bank, made, payload, tokens, **more)
        assert answer.status_code == 400 and answer.json()["error_description"].endswith(rule), answer.json()
    async with httpx.AsyncClient() as client:
        plain = await client.post(payload["response_uri"], data={"vp_token": json.dumps(tokens)})
        assert plain.json()["code"] == "presentation.not-encrypted"
        assert (await bank.result(made)).state is State.FAILED, "five wrong answers end a request"
        assert (await sent(bank, made, payload, tokens)).status_code == 409


async def test_no_changed_byte_of_an_encrypted_response_is_accepted(bank):
    made, ready = await held(bank)
    private = bank.stack.seal.unseal_with_room_key(
        "credentials.presentation-key" + made.request_id, (await acts.look(bank.stack, made.request_id)).key
    )
    jwk = ready["payload"]["client_metadata"]["jwks"]["keys"][0]
    wish = {"jwk": jwk, "alg": "ECDH-ES", "enc": "A128GCM", "kid": jwk["kid"], "content": {"vp_token": {"a": ["b"]}}}
    text = await bank.node("encrypt", **wish)
    assert envelope.opened(text, private) == {"vp_token": {"a": ["b"]}}
    for place, letter in enumerate(text):
        with pytest.raises(errors.Refused):
            envelope.opened(text[:place] + ("A" if letter != "A" else "B") + text[place + 1 :], private)


async def test_what_is_answered_must_be_what_was_asked(bank):
    cases = [
        ({"other": "card"}, {}, "credential-id"),
        ({"card": "card", "pid": "card"}, {}, "credential-id"),
        ({"card": ["card", "card"]}, {}, "multiple"),
        ({}, {}, "vp_token"),
        ({"card": "card"}, {"meta": {"vct_values": ["urn:other"]}}, "type"),
        ({"card": "card"}, {"trusted_authorities": [{"type": "aki", "values": ["AAAA"]}]}, "trusted-authorities"),
        ({"card": "card"}, {"claims": [{"path": ["family_name"]}]}, "claims"),
        ({"card": "card"}, {"claims": [{"path": ["given_name"], "values": ["Asha"]}]}, "claims"),
    ]
    for names, more, rule in cases:
        made = await bank.ask(sd_query(**more))
        row = await acts.look(bank.stack, made.request_id)
        payload = envelope.parameters(row.asked, Device.OTHER)
        frame = {"given_name": True, "address": {"region": True}}
        told = {"aud": payload["client_id"], "nonce": payload["nonce"], "iat": int(clock.now().timestamp())}
        credential = (await bank.sd())["text"]
        text = await bank.node("presentSd", credential=credential, frame=frame, holder=bank.holder, more={}, **told)
        tokens = {n: [text] * (len(v) if isinstance(v, list) else 1) for n, v in names.items()}
        answer = await sent(bank, made, payload, tokens)
        assert answer.status_code == 400 and answer.json()["error_description"].endswith(rule), (rule, answer.json())


async def test_aki_of_the_true_authority_is_accepted_and_extra_claims_are_dropped(bank):
    aki = b64u(bank.authority.leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier)
    wish = [{"type": "aki", "values": ["AAAA", aki]}]
    made = await bank.ask(sd_query(trusted_authorities=wish, claims=[{"path": ["given_name"]}]))
    row = await acts.look(bank.stack, made.request_id)
    payload = envelope.parameters(row.asked, Device.OTHER)
    told = {"aud": payload["client_id"], "nonce": payload["nonce"], "iat": int(clock.now().timestamp())}
    frame = {"given_name": True, "birth_date": True, "family_name": True}
    credential = (await bank.sd())["text"]
    text = await bank.node("presentSd", credential=credential, frame=frame, holder=bank.holder, more={}, **told)
    assert (await sent(bank, made, payload, {"card": [text]})).status_code == 200
    assert values(await bank.result(made)) == {"given_name": "Neema"}, "law 3"


async def test_the_person_may_say_no(bank):
    made = await bank.ask(sd_query())
    async with httpx.AsyncClient() as client:
        where = envelope.response_uri((await acts.look(bank.stack, made.request_id)).asked, Device.OTHER)
        answer = await client.post(where, data={"error": "access_denied", "error_description": "<b>x"})
    assert answer.status_code == 200
    result = await bank.result(made)
    assert (result.state, result.reason, result.credentials) == (State.DECLINED, "access_denied", ())


async def test_law_6_on_one_device_only_the_browser_that_asked_gets_the_answer(bank):
    made = await bank.ask(sd_query(), across="no", return_to=f"{bank.url}/done?x=1")
    async with browser(bank) as mine, browser(bank) as thief:
        page = await mine.get(f"/present/{made.request_id}")
        assert page.status_code == 200 and "People&#39;s Bank" in page.text and LAW in page.text
        assert (await thief.get(f"/present/{made.request_id}")).status_code == 403
        link = re.search(r'id="wallet" href="([^"]+)"', page.text)[1].replace("&amp;", "&")
        told = await bank.answered(made, await bank.sd(), link=link)
        assert told["status"] == 200
        way = told["body"]["redirect_uri"]
        assert (await bank.result(made)).state is State.SHOWN
        assert not (await bank.result(made)).credentials, "nothing before the browser came back"
        assert (await thief.get(way)).status_code == 403
        assert (await mine.get(way.replace("response_code=", "response_code=A"))).status_code == 403
        home = await mine.get(way)
        assert home.status_code == 303 and home.headers["location"].startswith(f"{bank.url}/done?x=1&presentation=")
        assert (await mine.get(way)).status_code == 409, "the way back works once"
        code = parse_qs(urlsplit(home.headers["location"]).query)["code"][0]
        with pytest.raises(errors.NoSuchRequest):
            await bank.result(made)
        assert values(await bank.result(made, code))["given_name"] == "Neema"
    unused = await bank.ask(sd_query(), across="no")
    with pytest.raises(errors.OtherSession):  # no QR code for another device was offered
        await acts.request_for_wallet(bank.stack, unused.request_id, Device.OTHER, "")


async def test_law_6_across_devices_a_number_is_typed_where_it_began(bank):
    made = await bank.ask(sd_query(), across="number")
    async with browser(bank) as desk, browser(bank) as phone, browser(bank) as thief:
        page = await desk.get(f"/present/{made.request_id}")
        assert 'class="code" src="data:image/png;base64,' in page.text
        told = await bank.answered(made, await bank.sd())
        shown = await phone.get(told["body"]["redirect_uri"])
        number = re.search(r'class="number" dir="ltr">([\d ]+)<', shown.text)[1]
        assert (await bank.result(made)).state is State.SHOWN
        where = f"/present/{made.request_id}/number"
        assert (await thief.post(where, data={"number": number})).status_code == 403
        assert (await desk.post(where, data={"number": number}, headers={"Origin": "https://evil"})).status_code == 403
        wrong = f"{(int(number.replace(' ', '')) + 1) % 10**6:06d}"
        assert (await desk.post(where, data={"number": wrong})).status_code == 403
        assert "number" in (await desk.get(f"/present/{made.request_id}")).text
        assert (await desk.post(where, data={"number": number})).status_code == 303
        assert (await bank.result(made)).state is State.ANSWERED
        assert "Your document was shown" in (await desk.get(f"/present/{made.request_id}")).text


async def test_the_form_with_the_number_may_lead_to_the_institution_and_nowhere_else(bank):
    """Browsers hold redirects after a form to the page's form-action too."""
    made = await bank.ask(sd_query(), across="number", return_to="https://bank.example/done")
    async with browser(bank) as desk, browser(bank) as phone:
        await desk.get(f"/present/{made.request_id}")
        told = await bank.answered(made, await bank.sd())
        page = await desk.get(f"/present/{made.request_id}")
        policy = page.headers["content-security-policy"]
        assert policy.endswith("form-action 'self' https://bank.example") and "frame-ancestors 'none'" in policy
        number = re.search(r'dir="ltr">([\d ]+)<', (await phone.get(told["body"]["redirect_uri"])).text)[1]
        gone = await desk.post(f"/present/{made.request_id}/number", data={"number": number})
        assert gone.headers["location"].startswith("https://bank.example/done?presentation=")


async def test_three_wrong_numbers_end_the_request_and_its_answer(bank):
    made = await bank.ask(sd_query(), across="number")
    async with browser(bank) as desk:
        await desk.get(f"/present/{made.request_id}")
        await bank.answered(made, await bank.sd())
        for _ in range(3):
            assert (await desk.post(f"/present/{made.request_id}/number", data={"number": "0"})).status_code == 403
    assert (await bank.result(made)).state is State.FAILED
    assert not (await acts.look(bank.stack, made.request_id)).answer


async def test_law_7_answers_are_gone_after_ten_minutes_and_presentations_are_never_kept(bank, server, owner_url):
    import asyncpg

    made, ready = await held(bank)
    token = ready["tokens"]["card"][0]
    assert (await sent(bank, made, ready["payload"], ready["tokens"])).status_code == 200
    conn = await asyncpg.connect(owner_url)
    dump = str(await conn.fetch("SELECT p::text FROM credentials.presentation p"))
    assert "Neema" not in dump and token[:60] not in dump and "Mwakasege" not in dump
    later = clock.now() + timedelta(minutes=11)
    with clock.freeze(later):
        assert await acts.has_forgettable(bank.stack)
        await acts.forget_presentations(bank.stack, job_context("presentation"))
        assert not (await acts.look(bank.stack, made.request_id)).answer
    with clock.freeze(clock.now() + timedelta(days=2)):
        await acts.forget_presentations(bank.stack, job_context("presentation"))
    with pytest.raises(errors.NoSuchRequest):
        await acts.look(bank.stack, made.request_id)
    await conn.close()


async def test_a_request_that_nobody_answered_expires(bank):
    made, ready = await held(bank)
    with clock.freeze(clock.now() + timedelta(seconds=301)):
        assert (await bank.result(made)).state is State.EXPIRED
        assert (await sent(bank, made, ready["payload"], ready["tokens"])).status_code == 409


@pytest.mark.parametrize(
    ("query", "more", "field"),
    [
        ({}, {}, "dcql_query"),
        ({"credentials": []}, {}, "credentials"),
        (sd_query(id="a b"), {}, "credentials.id"),
        (sd_query(format="ldp_vc"), {}, "credentials.format"),
        (sd_query(meta={}), {}, "meta.vct_values"),
        (mdoc_query(meta={}), {}, "meta.doctype_value"),
        (mdoc_query(claims=[{"path": ["given_name"]}]), {}, "claims.path"),
        (sd_query(claims=[]), {}, "claims"),
        (sd_query(claims=[{"path": []}]), {}, "claims.path"),
        (sd_query(claims=[{"path": ["a", -1]}]), {}, "claims.path"),
        (sd_query(claims=[{"path": ["a"], "values": []}]), {}, "claims.values"),
        (sd_query(claims=[{"path": ["a"]}, {"path": ["a"]}]), {}, "claims.path"),
        (sd_query(claim_sets=[["a"]]), {}, "claims.id"),
        (sd_query(trusted_authorities=[{"type": "etsi_tl", "values": ["x"]}]), {}, "trusted_authorities.type"),
        (sd_query() | {"credential_sets": [{"options": [["x"]]}]}, {}, "credential_sets.options"),
        (sd_query(), {"lives_s": 5}, "lives_s"),
        (sd_query(), {"return_to": "http://evil.example/"}, "return_to"),
        (sd_query(), {"client_id_prefix": "x509_san_dns"}, "client_id_prefix"),
        (sd_query(), {"transaction_data": [{"type": "x", "credential_ids": ["y"]}]}, "transaction_data.credential_ids"),
        (
            mdoc_query(),
            {"transaction_data": [{"type": "x", "credential_ids": ["pid"]}]},
            "transaction_data.credential_ids",
        ),
    ],
)
async def test_a_query_that_no_wallet_could_answer_is_refused_at_once(bank, query, more, field):
    with pytest.raises(errors.QueryMalformed) as refused:
        await acts.ask_presentation(bank.stack, banks(), order(query, **more))
    assert refused.value.facts["field"] == field


async def test_law_1_only_fields_of_the_right_are_asked_for(bank):
    beyond = sd_query(claims=[{"path": ["birth_date"]}])
    with pytest.raises(errors.NoRightToAsk) as refused:
        await bank.ask(beyond)
    assert refused.value.facts["fields"] == "birth_date" and "birth_date" not in FIELDS
    with pytest.raises(errors.NoRightToAsk):
        await acts.ask_presentation(bank.stack, banks("payment"), order(sd_query(), purpose="payment"))


async def test_access_ask_presentation(bank):
    assert (await bank.ask(sd_query())).page.startswith(bank.url)
    with pytest.raises(NotPermitted):
        await acts.ask_presentation(bank.stack, banks("statistics"), order(sd_query(), purpose="statistics"))


async def test_access_open_presentation(bank):
    made = await bank.ask(sd_query())
    row = await acts.open_presentation(
        bank.stack, context(ANYBODY, "public-service", "public-task"), made.request_id, b"\1" * 32
    )
    assert row.session == b"\1" * 32
    other = await bank.ask(sd_query())
    with pytest.raises(NotPermitted):
        await acts.open_presentation(bank.stack, banks(), other.request_id, b"\1" * 32)


async def test_access_receive_presentation(bank):
    """The act is the asker's: a purpose that no policy gives it is refused even with a wallet's answer at hand."""
    made, ready = await held(bank)
    assert (await sent(bank, made, ready["payload"], ready["tokens"])).status_code == 200
    from msingi.kernel import policy

    with pytest.raises(NotPermitted):
        policy.decide(banks(), "credentials.receive_presentation", policy.NOBODY)  # not through a wallet's door


async def test_access_confirm_presentation(bank):
    made = await bank.ask(sd_query())
    public = context(ANYBODY, "public-service", "public-task")
    with pytest.raises(errors.RequestEnded):
        await acts.confirm_presentation(bank.stack, public, made.request_id, b"", "x", Device.SAME)
    with pytest.raises(NotPermitted):
        await acts.confirm_presentation(bank.stack, banks(), made.request_id, b"", "x", Device.SAME)


async def test_access_collect_presentation(bank):
    made = await bank.ask(sd_query())
    assert (await bank.result(made)).state is State.OPEN
    stranger = context(type(BANK)(Kind.CLIENT, "COM/other/x", "other", frozenset(), 2), "data-exchange", "contract")
    with pytest.raises(errors.NoSuchRequest):
        await acts.collect_presentation(bank.stack, stranger, made.request_id)


async def test_access_forget_presentations(bank):
    await acts.forget_presentations(bank.stack, job_context("presentation"))
    with pytest.raises(NotPermitted):
        await acts.forget_presentations(bank.stack, banks())


async def test_access_keep_published(bank):
    async with httpx.AsyncClient() as client:
        assert await acts.keep_published(bank.stack, job_context("presentation"), client) == 0
        with pytest.raises(NotPermitted):
            await acts.keep_published(bank.stack, banks(), client)


async def test_doors_refuse_rubbish_with_a_refusal(bank):
    made = await bank.ask(sd_query())
    where = f"/present/wallet/{made.request_id}/o"
    async with httpx.AsyncClient(base_url=bank.url) as client:
        for content, kind in ((b"\xff", None), (b"{}", "application/json"), (b"a=1&a=2", None), (b"", None)):
            headers = {"Content-Type": kind or "application/x-www-form-urlencoded"}
            answer = await client.post(where, content=content, headers=headers)
            assert answer.status_code == 400 and answer.json()["error"] == "invalid_request", answer.text
        assert (await client.post(where, data={"response": "x" * 600_000})).status_code == 413
        assert (await client.get("/present/wallet/" + "A" * 22 + "/o/request")).status_code == 404
        assert (await client.post("/v1/credentials/presentations", json={})).status_code in (400, 401)
        assert (await client.get(f"/present/{made.request_id}/state")).status_code == 403


async def test_the_status_decides_and_what_is_not_known_is_undetermined(bank):
    """Law 5: a list of somebody else that was fetched ahead says revoked; without one nothing is said of it."""
    from msingi.credentials import statuslist
    from msingi.credentials.presentation import issuers, store
    from msingi.kernel import policy

    uri = "https://elsewhere.example/status/1"

    async def told(index: int, **more):
        made = await bank.ask(sd_query(), **more)
        place = {"status_list": {"idx": index, "uri": uri}}
        answer = await bank.answered(made, await bank.sd(status=place))
        return answer["body"].get("code") or (await bank.result(made)).credentials[0].status

    assert await told(5) == "undetermined"
    assert await told(5, status_required=True) == "presentation.status-undetermined"
    now = int(clock.now().timestamp())
    signer = SimpleNamespace(kid="k", alg="ES256", sign=lambda signed: raw_signature(bank.authority.key, signed))

    def listed(**changed) -> bytes:
        entries = statuslist.pack(64, 2, {6: 1, 7: 2})
        token = statuslist.StatusToken(
            **({"uri": uri, "entries": entries, "issued_at": now, "expires": now + 99} | changed)
        )
        head, body, _ = statuslist.write_jwt(token, signer).split(".")
        header = json.loads(base64.urlsafe_b64decode(head + "==")) | {"x5c": bank.authority.x5c}
        signed = f"{b64u(json.dumps(header).encode())}.{body}"
        return f"{signed}.{b64u(raw_signature(bank.authority.key, signed.encode()))}".encode()

    async def keep(body: bytes) -> None:
        permit = policy.decide(job_context("presentation"), "credentials.keep_published", policy.NOBODY)
        async with bank.stack.db.transaction(permit) as tx:
            await store.keep_fetched(tx, uri, body, clock.now())
            log.append(tx, permit)
        issuers.forget(bank.stack)

    await keep(listed())
    assert [await told(i) for i in (5, 6, 7)] == ["valid", "presentation.revoked", "presentation.suspended"]
    changed = bytearray(listed())
    changed[-9] ^= 1
    for doubtful in (listed(expires=now - 1), listed(uri=uri + "0"), b"rubbish", b"ey.ey.ey", bytes(changed)):
        await keep(doubtful)
        assert await told(6) == "undetermined", doubtful[:40]
    assert await told(70) == "undetermined"
