"""Yes/no authentication: a signed yes or no, and nothing else."""

import asyncio

import asyncpg
import pytest
from joserfc.jwk import ECKey
from msgspec import convert, json
from tests.signin.conftest import PIN
from tests.signin.party import ISSUER

from msingi.identity.model_said import Said
from msingi.kernel.context import Actor, Kind, context
from msingi.kernel.errors import NotPermitted
from msingi.signin import acts as signin
from msingi.signin import wire
from msingi.signin.answers import acts
from msingi.signin.errors import BadQuestion, TooManyTries
from msingi.signin.model import AlarmRaised, Client, Profile, Question


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
    assert set(claims) - {"said"} == {"iss", "aud", "iat", "exp", "jti", "nonce", "method", "result"}
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
        {"number": "1", "said": {}},
        {"number": "1", "pin": PIN, "each": True},
    ],
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


async def test_facts_are_compared_as_people_write_them(site, ask, asha):
    right = [
        {"name": "MUSHI, asha"},
        {"given_name": "Ásha", "family_name": "Mushi"},
        {"birth_date": "1990"},
        {"birth_date": "1990-01-02", "name": "Asha  Mushi"},
        {"phone": "0700 000 001"},
    ]
    for said in right:
        assert await result(site, await ask({"number": asha.number, "said": said})) == "yes", said
    for said in ({"name": "Asha Kombo"}, {"name": "Asha Mushi", "birth_date": "1990-01-03"}):
        assert await result(site, await ask({"number": asha.number, "said": said})) == "no", said
    both = {"number": asha.number, "said": {"name": "Asha Mushi"}, "pin": PIN}
    assert await result(site, await ask(both)) == "yes"
    assert await result(site, await ask(both | {"pin": "0000"})) == "no"
    malformed = await ask({"number": asha.number, "said": {"birth_date": "2.1.1990"}})
    assert malformed.status_code == 400 and malformed.json()["code"] == "malformed"


async def test_each_fact_is_told_only_with_the_right_to_it(site, ask, asha, stack, ctx_of):
    question = {"number": asha.number, "said": {"name": "Asha Mushi", "birth_date": "1991"}, "each": True}
    refused = await ask(question)
    assert refused.status_code == 403 and refused.json()["code"] == "not-permitted"
    may = ctx_of(
        Kind.CLIENT,
        "clinic",
        institution="kliniki",
        roles=["authenticate", "authenticate-each"],
        purpose="identity-proofing",
        assurance=1,
    )
    told = await acts.answer(stack, may, convert(question, Question))
    claims = json_of(told.answer)
    assert claims["said"] == {"name": "yes", "birth_date": "no"} and claims["result"] == "no"


async def test_guessing_facts_locks_the_institution_for_that_person_and_a_hit_does_not_unlock(stack, people, ctx_of):
    ctx = client_of(ctx_of, "guesser")
    right = Question(number=people[0].number, said=Said(birth_date="1990-01-02"))
    for day in range(3, 7):
        wrong = Question(number=people[0].number, said=Said(birth_date=f"1990-01-{day:02}"))
        assert json_of((await acts.answer(stack, ctx, wrong)).answer)["result"] == "no"
    assert json_of((await acts.answer(stack, ctx, right)).answer)["result"] == "yes"
    await acts.answer(stack, ctx, Question(number=people[0].number, said=Said(birth_date="1990")))
    await acts.answer(stack, ctx, Question(number=people[0].number, said=Said(birth_date="1989")))
    with pytest.raises(TooManyTries):
        await acts.answer(stack, ctx, right)
    other = client_of(ctx_of, "honest")
    assert json_of((await acts.answer(stack, other, right)).answer)["result"] == "yes"


async def test_spraying_one_pin_over_many_people_stops_that_institution_and_raises_an_alarm(stack, people, ctx_of):
    raised: list[AlarmRaised] = []

    async def take(_, payload: bytes) -> None:
        raised.append(json.decode(payload, type=AlarmRaised))

    stack.outbox.subscribe("signin.alarm", take)
    sprayer = client_of(ctx_of, "sprayer")
    fine = [Question(number=f"{n:012}", pin="1234") for n in range(60)]
    got = await asyncio.gather(*(acts.answer(stack, sprayer, q) for q in fine), return_exceptions=True)
    assert sum(not isinstance(g, TooManyTries) for g in got) >= 50
    with pytest.raises(TooManyTries) as stopped:
        await acts.answer(stack, sprayer, Question(number=people[0].number, said=Said(name="Asha")))
    assert 0 < stopped.value.facts["retry_after_s"] <= 900
    await stack.outbox.drain(stack)
    assert raised[-1].institution == "sprayer" and raised[-1].stopped
    staff = ctx_of(Kind.STAFF, "op", roles=["operator"], purpose="operations")
    assert [a.institution for a in await acts.list_alarms(stack, staff)] == ["sprayer"]
    honest = client_of(ctx_of, "honest")
    assert (await acts.answer(stack, honest, Question(number=people[0].number, said=Said(birth_date="1990")))).answer


async def test_access_list_alarms(stack, ctx_of):
    assert isinstance(await acts.list_alarms(stack, ctx_of(Kind.STAFF, "a", roles=["auditor"], purpose="audit")), list)
    with pytest.raises(NotPermitted):
        await acts.list_alarms(stack, client_of(ctx_of, "honest"))


async def test_questions_at_once_are_answered_in_few_transactions_each_with_its_own_record(
    stack, people, ctx_of, owner_url
):
    conn = await asyncpg.connect(owner_url)
    records = "SELECT count(*) FROM log.record WHERE act = 'signin.answer'"
    before = await conn.fetchval(records)
    ctx = client_of(ctx_of, "payroll")
    questions = [
        Question(number=p.number, said=Said(birth_date="1990"), nonce=str(i)) for i, p in enumerate(people * 8)
    ]
    told = [json_of(a.answer) for a in await asyncio.gather(*(acts.answer(stack, ctx, q) for q in questions))]
    assert [c["nonce"] for c in told] == [q.nonce for q in questions] and {c["result"] for c in told} == {"yes"}
    assert await conn.fetchval(records) == before + len(questions)
    await conn.close()


def client_of(ctx_of, institution: str):
    roles = ["authenticate"]
    return ctx_of(
        Kind.CLIENT, institution, institution=institution, roles=roles, purpose="identity-proofing", assurance=1
    )


def json_of(answer: str) -> dict:
    return json.decode(wire.unverified(answer)[1])


@pytest.fixture
async def people(asha, juma):
    """Two people born on the second of January 1990."""
    return [asha, juma]
