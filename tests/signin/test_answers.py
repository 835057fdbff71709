"""Yes/no authentication: a signed yes or no, and nothing else."""

import asyncpg
import pytest
from joserfc.jwk import ECKey
from tests.signin.conftest import PIN
from tests.signin.party import ISSUER

from msingi.kernel.context import Actor, Kind, context
from msingi.kernel.errors import NotPermitted
from msingi.signin import acts as signin
from msingi.signin.answers import acts
from msingi.signin.errors import BadQuestion
from msingi.signin.model import Client, Profile, Question


@pytest.fixture
async def ask(site):
    """Ask as the bank's software: `ask(path, body)` gives the response."""
    bank = site.party("bank")
    form = {"grant_type": "client_credentials", "scope": "authenticate"}
    token = (await bank.post("/oauth/token", form)).json()["access_token"]

    async def call(body: dict, path: str = "/v1/authenticate"):
        headers = {"Authorization": f"DPoP {token}", "DPoP": bank.proof("POST", ISSUER + path, token)}
        return await site.http.post(path, json=body, headers=headers)

    return call


async def result(site, answer) -> str:
    assert answer.status_code == 200, answer.text
    header, claims = await site.party("bank").verify(answer.json()["answer"])
    assert header["typ"] == "msingi-answer+jwt" and claims["aud"] == "bank"
    assert set(claims) == {"iss", "aud", "iat", "exp", "jti", "nonce", "method", "result"}
    return claims["result"]


async def test_yes_and_no_by_pin(site, ask, asha, stack):
    assert await result(site, await ask({"number": asha.number, "pin": PIN, "nonce": "n"})) == "yes"
    assert await result(site, await ask({"number": asha.number, "pin": "0000"})) == "no"
    assert await result(site, await ask({"number": "123456789012", "pin": PIN})) == "no"
    known_as = stack.pseudonym.of("benki", asha.person_id)
    assert await result(site, await ask({"pseudonym": known_as, "pin": PIN})) == "yes"
    # Another institution's name for her means nobody here.
    elsewhere = stack.pseudonym.of("shop", asha.person_id)
    assert await result(site, await ask({"pseudonym": elsewhere, "pin": PIN})) == "no"
    assert await result(site, await ask({"pseudonym": "nonsense", "pin": PIN})) == "no"


async def test_yes_and_no_by_code(site, ask, asha, juma, sms):
    sent = await ask({"number": asha.number}, "/v1/authenticate/code")
    assert sent.status_code == 202 and sent.json()["expires_in_s"] == 300
    proof = {"challenge": sent.json()["challenge"], "code": await sms.code(asha.phone)}
    assert await result(site, await ask({"number": juma.number} | proof)) == "no"
    assert await result(site, await ask({"number": asha.number} | proof)) == "yes"
    assert await result(site, await ask({"number": asha.number} | proof)) == "no"
    nobody = await ask({"number": "123456789012"}, "/v1/authenticate/code")
    assert nobody.status_code == 202 and len(nobody.json()["challenge"]) == len(proof["challenge"])
    invented = {"number": asha.number, "challenge": "AAAA", "code": "123456"}
    assert await result(site, await ask(invented)) == "no"


@pytest.mark.parametrize(
    "body",
    [
        {"pin": PIN},
        {"number": "1", "pseudonym": "2", "pin": PIN},
        {"number": "1"},
        {"number": "1", "pin": PIN, "challenge": "c", "code": "1"},
        {"number": "1", "challenge": "c"},
    ],
    ids=str,
)
async def test_incomplete_questions_are_refused(ask, body):
    got = await ask(body)
    assert got.status_code == 400 and got.json()["code"] == "signin.bad-question" and got.json()["remedy"]


async def test_other_shapes_are_malformed(ask):
    assert (await ask({"number": "1", "pin": PIN, "name": "x"})).json()["code"] == "malformed"


async def test_wrong_proofs_lock_one_institution_and_no_other(site, ask, juma, stack, sms):
    while (got := await ask({"number": juma.number, "pin": "0000"})).status_code == 200:
        assert await result(site, got) == "no"
    locked = await ask({"number": juma.number, "pin": "8022"})
    assert locked.status_code == 429 and int(locked.headers["retry-after"]) > 0
    actor = Actor(Kind.CLIENT, "clinic", "kliniki", frozenset(["authenticate"]), 1)
    ctx = context(actor, "identity-proofing", "contract")
    assert (await acts.answer(stack, ctx, Question(number=juma.number, pin="8022"))).answer


async def test_person_sees_that_it_was_asked(site, ask, asha, owner_url):
    conn = await asyncpg.connect(owner_url)
    count = "SELECT count(*) FROM log.record WHERE person_id = $1 AND act = 'signin.answer'"
    before = await conn.fetchval(count, asha.person_id)
    await ask({"number": asha.number, "pin": "0000"})
    assert await conn.fetchval(count, asha.person_id) == before + 1
    await conn.close()


async def test_access_answer(stack, asha, ctx_of):
    question = Question(number=asha.number, pin=PIN)
    yes = ctx_of(Kind.CLIENT, "bank", institution="benki", roles=["authenticate"], purpose="identity-proofing")
    assert (await acts.answer(stack, yes, question)).answer
    for no in (
        ctx_of(Kind.CLIENT, "bank", institution="benki", purpose="identity-proofing"),
        ctx_of(Kind.CLIENT, "bank", institution="benki", roles=["authenticate"], purpose="payment"),
        ctx_of(Kind.STAFF, "officer-1", roles=["authenticate"], purpose="identity-proofing"),
        signin.proving(),
    ):
        with pytest.raises(NotPermitted):
            await acts.answer(stack, no, question)


async def test_access_send_answer_code(stack, asha, ctx_of, sms):
    yes = ctx_of(Kind.CLIENT, "bank", institution="benki", roles=["authenticate"], purpose="identity-proofing")
    assert (await acts.send_answer_code(stack, yes, Question(number=asha.number), "en", "Bank")).challenge
    with pytest.raises(NotPermitted):
        await acts.send_answer_code(stack, signin.proving(), Question(number=asha.number), "en", "Bank")
    with pytest.raises(BadQuestion):
        await acts.send_answer_code(stack, yes, Question(), "en", "Bank")


async def test_without_token_or_scope_the_door_stays_shut(site, asha, stack, ctx_of):
    body = {"number": asha.number, "pin": PIN}
    assert (await site.http.post("/v1/authenticate", json=body)).status_code == 401
    key = ECKey.generate_key("P-256")
    plain = Client(
        client_id="plain",
        name="Plain",
        institution="kliniki",
        profile=Profile.CONFIDENTIAL,
        jwks=(key.as_dict(private=False),),
        scopes=frozenset(["openid"]),
    )
    await signin.add_client(stack, ctx_of(Kind.JOB, "sample"), plain)
    party = site.party("bank")
    party.client_id, party.key = "plain", key
    got = await party.post("/oauth/token", {"grant_type": "client_credentials"}, dpop=None)
    headers = {"Authorization": f"Bearer {got.json()['access_token']}"}
    refused = await site.http.post("/v1/authenticate", json=body, headers=headers)
    assert refused.status_code == 403 and refused.json()["code"] == "not-permitted"
