"""Factors and accounts: who may do each act, what a wrong try costs, and whom it locks."""

import statistics
import time
from datetime import date, timedelta
from uuid import uuid4

import asyncpg
import pytest
from msgspec import structs
from tests.signin.conftest import PIN
from tests.signin.people import enrol

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Kind, job_context
from msingi.kernel.errors import NotFound, NotPermitted
from msingi.kernel.ids import PersonId, uuid7
from msingi.signin import acts, jobs
from msingi.signin.errors import BadRegistration, InvalidClient, OwnAccount, PinNotAcceptable, TooManyTries
from msingi.signin.model import Client, NewStaff, Place, Profile, Verdict, Who

STRANGER = Place(b"stranger's browser", "198.51.100.0/24", "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0")


def at(device: str, network: str = "203.0.113.0/24") -> Place:
    return Place(device.encode(), network, "Mozilla/5.0 (Linux; Android 14) Chrome/130.0 Mobile")


@pytest.fixture
async def zawadi(stack, sms, ctx_of):
    """A fresh person with a PIN, for each test that locks."""
    # Nobody like her: the duplicate search must not hold her back.
    name, born = uuid4().hex[:12].translate(str.maketrans("0123456789", "ghijklmnop")), uuid4().int % 20_000
    person = await enrol(stack, name, name[::-1], f"+2557{uuid4().int % 10**8:08d}", date(1950, 1, 1) + timedelta(born))
    await acts.set_pin(stack, officer_ctx(ctx_of), person.person_id, PIN)
    return person


def officer_ctx(ctx_of, **more):
    facts = {"roles": ["enrolment-officer"], "institution": "rita", "purpose": "identity-registration"} | more
    return ctx_of(Kind.STAFF, "officer-1", **facts)


def operator_ctx(ctx_of, **more):
    return ctx_of(Kind.STAFF, "operator-1", **({"roles": ["operator"], "purpose": "operations"} | more))


async def sign_in(stack, sms, person, place: Place) -> str:
    """The session cookie of a whole sign-in with two factors."""
    found = await acts.verify_pin(stack, acts.proving(), person.number, PIN, place, "test")
    assert found.verdict is Verdict.RIGHT and found.who
    text = ("sms_signin", "en", "test")
    challenge, _ = await acts.send_code(stack, acts.proving(), found.who, place.device_hash, place.network, text)
    code = await sms.code(person.phone)
    verdict, cookie = await acts.verify_code(stack, acts.proving(), found.who, challenge, code, place, "test")
    assert verdict is Verdict.RIGHT
    return cookie


async def wrong_pin(stack, person, place: Place):
    return await acts.verify_pin(stack, acts.proving(), person.number, "0000", place, "test")


async def test_access_verify_pin(stack, zawadi, ctx_of):
    found = await acts.verify_pin(stack, acts.proving(), zawadi.number, PIN, at("a"), "test")
    assert found.verdict is Verdict.RIGHT
    with pytest.raises(NotPermitted):
        await acts.verify_pin(stack, ctx_of(Kind.CLIENT, "bank"), zawadi.number, PIN, at("a"), "test")


async def test_access_send_code(stack, zawadi, sms, ctx_of):
    text = ("sms_signin", "sw", "test")
    await acts.send_code(stack, acts.proving(), Who(zawadi.person_id), b"x", "here", text)
    assert len(await sms.code(zawadi.phone)) == 6
    with pytest.raises(NotPermitted):
        await acts.send_code(stack, ctx_of(Kind.STAFF, "officer-1"), Who(zawadi.person_id), b"x", "here", text)


async def test_access_verify_code(stack, zawadi, sms, ctx_of):
    assert await sign_in(stack, sms, zawadi, at("b"))
    with pytest.raises(NotPermitted):
        await acts.verify_code(stack, ctx_of(Kind.JOB, "x"), Who(zawadi.person_id), uuid7(), "1", at("b"), "test")


async def test_access_set_pin(stack, zawadi, ctx_of):
    own = ctx_of(Kind.PERSON, zawadi.person_id, purpose="identity-proofing", basis="contract")
    await acts.set_pin(stack, own, zawadi.person_id, "9035")
    found = await acts.verify_pin(stack, acts.proving(), zawadi.number, "9035", at("c"), "test")
    assert found.verdict is Verdict.RIGHT
    for no in (
        ctx_of(Kind.PERSON, uuid7(), purpose="identity-proofing"),
        ctx_of(Kind.PERSON, zawadi.person_id, purpose="identity-proofing", assurance=1),
        officer_ctx(ctx_of, roles=["clinician"]),
        officer_ctx(ctx_of, assurance=1),
        acts.proving(),
    ):
        with pytest.raises(NotPermitted):
            await acts.set_pin(stack, no, zawadi.person_id, "9035")


NEW = NewStaff(
    staff_id="clinician-7",
    institution="kliniki",
    roles=frozenset(["clinician"]),
    name="Rehema",
    phone="+255700000907",
    pin="50931",
)


async def test_access_add_staff(stack, ctx_of, sms):
    await acts.add_staff(stack, operator_ctx(ctx_of), NEW)
    found = await acts.verify_pin(stack, acts.proving(), "Clinician-7 ", "50931", at("d"), "test")
    assert found.who and found.who.roles == {"clinician"} and found.who.name == "Rehema"
    for no in (officer_ctx(ctx_of), operator_ctx(ctx_of, assurance=1), ctx_of(Kind.PERSON, uuid7())):
        with pytest.raises(NotPermitted):
            await acts.add_staff(stack, no, NEW)


async def test_access_close_staff(stack, ctx_of, sms):
    """Who was signed in is out at once, nobody signs in again, and what was closed can be opened anew."""
    operator = operator_ctx(ctx_of)
    account = await acts.add_staff(stack, operator, structs.replace(NEW, staff_id="clerk-9", phone="+255700000909"))
    found = await acts.verify_pin(stack, acts.proving(), "clerk-9", "50931", at("e"), "test")
    assert found.who is not None
    for no in (officer_ctx(ctx_of), operator_ctx(ctx_of, assurance=1), ctx_of(Kind.PERSON, uuid7())):
        with pytest.raises(NotPermitted):
            await acts.close_staff(stack, no, "clerk-9")
    assert await acts.close_staff(stack, operator, "Clerk-9") == 0
    found = await acts.verify_pin(stack, acts.proving(), "clerk-9", "50931", at("f"), "test")
    assert found.verdict is not Verdict.RIGHT or found.who is None
    with pytest.raises(NotFound):
        await acts.close_staff(stack, operator, "clerk-9")
    assert await acts.add_staff(stack, operator, structs.replace(NEW, staff_id="clerk-9")) == account
    with pytest.raises(OwnAccount):
        await acts.close_staff(stack, operator, operator.actor.id)


async def test_access_list_staff(stack, ctx_of):
    operator = operator_ctx(ctx_of)
    for n in (1, 2, 3):
        await acts.add_staff(stack, operator, structs.replace(NEW, staff_id=f"porter-{n}"))
    await acts.close_staff(stack, operator, "porter-2")
    first = await acts.list_staff(stack, operator, "porter", 2)
    assert [(line.staff_id, line.active) for line in first] == [("porter-1", True), ("porter-2", False)]
    assert (await acts.list_staff(stack, operator, "porter-2", 2))[0].staff_id == "porter-3"
    with pytest.raises(NotPermitted):
        await acts.list_staff(stack, officer_ctx(ctx_of))


def client(**changes) -> Client:
    facts = {"client_id": "kiosk", "name": "Kiosk", "institution": "kliniki", "profile": Profile.PUBLIC}
    return Client(**(facts | changes))


async def test_access_add_client(stack, ctx_of):
    await acts.add_client(stack, ctx_of(Kind.JOB, "setup"), client())
    assert (await acts.client(stack, "kiosk")).name == "Kiosk"
    for no in (officer_ctx(ctx_of), operator_ctx(ctx_of)):  # an operator alone proposes, and no more
        with pytest.raises(NotPermitted):
            await acts.add_client(stack, no, client())


async def test_two_operators_who_ask_for_the_same_register_it_and_nobody_slips_in_other_words(stack, ctx_of):
    one, two = (ctx_of(Kind.STAFF, f"op-{n}", roles=["operator"]) for n in (1, 2))
    new, other = (
        client(client_id="till", name="Till"),
        client(client_id="till", name="Till", claims=frozenset({"name"})),
    )
    assert not await acts.add_client_together(stack, one, new)
    assert not await acts.add_client_together(stack, one, new), "the same hand twice is one hand"
    assert not await acts.add_client_together(stack, two, other), "other words are another proposal"
    with pytest.raises(InvalidClient):
        await acts.client(stack, "till")
    looked_at = next(p for p in await acts.client_proposals(stack, one) if p.registration.client_id == "till")
    await acts.propose_client(stack, two, new)
    with pytest.raises(NotFound):
        await acts.decide_client(stack, one, "till", True, looked_at.mark)
    assert await acts.add_client_together(stack, one, new)
    assert (await acts.client(stack, "till")).claims == frozenset()


async def test_access_rotate_client_key(stack, ctx_of, keys, site):
    from joserfc.jwk import ECKey

    old, new = site.party("shop"), site.party("shop")
    new.key = ECKey.generate_key("P-256")
    both = tuple(k.as_dict(private=False) for k in (old.key, new.key))
    await acts.rotate_client_key(stack, ctx_of(Kind.JOB, "setup"), "shop", both)
    for party in (old, new):
        assert (await party.post("/oauth/par", party.request())).status_code == 201
    await acts.rotate_client_key(stack, ctx_of(Kind.JOB, "setup"), "shop", both[1:])
    assert (await old.post("/oauth/par", old.request())).status_code == 401
    await acts.rotate_client_key(stack, ctx_of(Kind.JOB, "setup"), "shop", both[:1])
    with pytest.raises(NotPermitted):
        await acts.rotate_client_key(stack, operator_ctx(ctx_of), "shop", both)
    with pytest.raises(BadRegistration):
        await acts.rotate_client_key(stack, ctx_of(Kind.JOB, "setup"), "shop", (new.key.as_dict(private=True),))


async def test_access_list_sessions_and_end_session(stack, zawadi, sms, ctx_of):
    await sign_in(stack, sms, zawadi, at("phone"))
    own = ctx_of(Kind.PERSON, zawadi.person_id, purpose="subject-access", basis="contract")
    [session] = await acts.list_sessions(stack, own, zawadi.person_id)
    assert session.agent == "Chrome, Android" and session.factors == 2
    other = ctx_of(Kind.PERSON, uuid7(), purpose="subject-access", basis="contract")
    with pytest.raises(NotPermitted):
        await acts.list_sessions(stack, other, zawadi.person_id)
    with pytest.raises(NotPermitted):
        await acts.end_session(stack, other, zawadi.person_id, session.session_id)
    assert await acts.end_session(stack, own, zawadi.person_id, session.session_id)
    assert not await acts.end_session(stack, own, zawadi.person_id, session.session_id)
    assert await acts.list_sessions(stack, own, zawadi.person_id) == []


async def test_access_end_session(stack, officer, sms, ctx_of):
    """Staff end their own sessions, and nobody else's."""
    account = acts.rules.staff_account_id(officer.staff_id)
    own = ctx_of(Kind.STAFF, officer.staff_id, purpose="subject-access")
    assert not await acts.end_session(stack, own, account, uuid7())
    with pytest.raises(NotPermitted):
        await acts.end_session(stack, own, acts.rules.staff_account_id("somebody-else"), uuid7())


async def test_access_list_sessions(stack, officer, ctx_of):
    account = acts.rules.staff_account_id(officer.staff_id)
    assert (
        await acts.list_sessions(stack, ctx_of(Kind.STAFF, officer.staff_id, purpose="subject-access"), account) == []
    )
    with pytest.raises(NotPermitted):
        await acts.list_sessions(stack, ctx_of(Kind.STAFF, "other-1", purpose="subject-access"), account)


async def test_access_end_everything(stack, zawadi, sms, ctx_of):
    await sign_in(stack, sms, zawadi, at("i"))
    assert await acts.end_everything(stack, job_context("signin"), zawadi.person_id) == 1
    for no in (job_context("another"), ctx_of(Kind.PERSON, zawadi.person_id), operator_ctx(ctx_of)):
        with pytest.raises(NotPermitted):
            await acts.end_everything(stack, no, zawadi.person_id)


async def test_strangers_lock_themselves_and_never_the_known_device(stack, zawadi, sms):
    home = at("home")
    await sign_in(stack, sms, zawadi, home)
    for _ in range(5):
        assert (await wrong_pin(stack, zawadi, STRANGER)).verdict is Verdict.WRONG
    locked = await wrong_pin(stack, zawadi, STRANGER)
    assert locked.verdict is Verdict.LOCKED and 0 < locked.retry_after_s <= 15 * 60 + 1
    # Even the right PIN is not looked at from there, while home and another network stay open.
    right = await acts.verify_pin(stack, acts.proving(), zawadi.number, PIN, STRANGER, "test")
    assert right.verdict is Verdict.LOCKED
    for place in (home, at("home", STRANGER.network), at("new")):
        found = await acts.verify_pin(stack, acts.proving(), zawadi.number, PIN, place, "test")
        assert found.verdict is Verdict.RIGHT
    # Later it opens again, and the next lock lasts twice as long.
    with clock.freeze(clock.now() + timedelta(seconds=15 * 60 + 1)):
        for _ in range(5):
            assert (await wrong_pin(stack, zawadi, STRANGER)).verdict is Verdict.WRONG
        assert (await wrong_pin(stack, zawadi, STRANGER)).retry_after_s > 25 * 60


async def test_unknown_numbers_lock_like_known_ones(stack):
    for _ in range(5):
        found = await acts.verify_pin(stack, acts.proving(), "999999999999", PIN, STRANGER, "test")
        assert found.verdict is Verdict.WRONG
    found = await acts.verify_pin(stack, acts.proving(), "999999999999", PIN, STRANGER, "test")
    assert found.verdict is Verdict.LOCKED


async def test_unknown_number_and_wrong_pin_take_the_same_time(stack, zawadi):
    """What little differs (a look-up more or less) disappears behind the floor."""
    took: dict[str, list[float]] = {zawadi.number: [], "111111111111": []}
    for turn in range(5):
        for login, times in took.items():
            place = at(f"d{turn}", f"192.0.{turn}.0/24")
            begun = time.perf_counter()
            assert (await acts.verify_pin(stack, acts.proving(), login, "0000", place, "t")).verdict is Verdict.WRONG
            times.append(time.perf_counter() - begun)
    known, unknown = (statistics.median(times) for times in took.values())
    assert abs(known - unknown) < 0.1 * acts.ANSWER_FLOOR_S, (known, unknown)


async def test_wrong_answer_waits_for_the_floor(stack):
    begun = time.perf_counter()
    await acts.verify_pin(stack, acts.proving(), "nobody-here", "0000", at("z"), "test")
    assert time.perf_counter() - begun >= acts.ANSWER_FLOOR_S


async def test_parallel_guesses_queue_and_count(stack, zawadi):
    import asyncio

    found = await asyncio.gather(*(wrong_pin(stack, zawadi, STRANGER) for _ in range(8)))
    assert [f.verdict for f in found].count(Verdict.WRONG) == 5


async def test_code_dies_after_five_wrong_tries_and_after_five_minutes_and_works_once(stack, zawadi, sms):
    who, place, text = Who(zawadi.person_id), at("e"), ("sms_signin", "fr", "test")

    async def sent() -> tuple:
        challenge, _ = await acts.send_code(stack, acts.proving(), who, place.device_hash, str(uuid7()), text)
        return challenge, await sms.code(zawadi.phone)

    async def tried(challenge, code: str, where: Place = place) -> Verdict:
        return (await acts.verify_code(stack, acts.proving(), who, challenge, code, where, "test"))[0]

    challenge, code = await sent()
    wrong = "000000" if code != "000000" else "111111"
    assert [await tried(challenge, wrong) for _ in range(5)] == [Verdict.WRONG] * 5
    assert await tried(challenge, code) is Verdict.EXPIRED
    challenge, code = await sent()
    with clock.freeze(clock.now() + timedelta(seconds=301)):
        assert await tried(challenge, code) is Verdict.EXPIRED
    challenge, code = await sent()
    assert await tried(challenge, code, at("another browser")) is Verdict.EXPIRED
    assert await tried(challenge, f"{code[:3]} {code[3:]}") is Verdict.RIGHT
    assert await tried(challenge, code) is Verdict.EXPIRED


async def test_six_codes_from_one_place_are_enough(stack, zawadi):
    text = ("sms_signin", "ar", "test")
    for _ in range(6):
        await acts.send_code(stack, acts.proving(), Who(zawadi.person_id), b"x", "one place", text)
    with pytest.raises(TooManyTries):
        await acts.send_code(stack, acts.proving(), Who(zawadi.person_id), b"x", "one place", text)
    await acts.send_code(stack, acts.proving(), Who(zawadi.person_id), b"x", "another place", text)


@pytest.mark.parametrize("pin", ["123", "123456789", "12a4", "1111", "1234", "987654", "", "１２３４５"])
async def test_weak_pins_are_refused(stack, zawadi, ctx_of, pin):
    with pytest.raises(PinNotAcceptable):
        await acts.set_pin(stack, officer_ctx(ctx_of), zawadi.person_id, pin)


async def test_every_attempt_leaves_a_leaf_that_the_person_sees(stack, zawadi, owner_url):
    conn = await asyncpg.connect(owner_url)

    async def leaves() -> list[str]:
        rows = await conn.fetch(
            "SELECT act FROM log.record WHERE person_id = $1 AND act LIKE 'signin.verify%'", zawadi.person_id
        )
        return [r["act"] for r in rows]

    before = len(await leaves())
    await wrong_pin(stack, zawadi, STRANGER)
    await acts.verify_pin(stack, acts.proving(), zawadi.number, PIN, at("f"), "test")
    assert len(await leaves()) == before + 2
    await conn.close()


async def test_no_secret_stands_in_a_table(stack, zawadi, sms, owner_url):
    cookie = await sign_in(stack, sms, zawadi, at("g"))
    conn = await asyncpg.connect(owner_url)
    [(sealed,)] = await conn.fetch("SELECT sealed FROM signin.factor WHERE person_id = $1", zawadi.person_id)
    pointer = acts.wire.unseal(stack.seal, "session", cookie, acts.wire.Pointer)
    hashes = await conn.fetch("SELECT secret_hash FROM signin.session WHERE person_id = $1", zawadi.person_id)
    assert all(bytes(h[0]) != pointer.secret for h in hashes) and len(sealed) == 12 + 48 + 16
    # The application's role sees no factor of anybody whom its permit does not reach.
    permit = policy.decide(acts.proving(), "signin.verify-pin", PersonId(uuid7()))
    async with stack.db.transaction(permit) as tx:
        assert await acts.store.pins(tx, [zawadi.person_id]) == {}
        log.append(tx, permit)
    await conn.close()


async def test_access_sweep(stack, zawadi, sms, ctx_of):
    await sign_in(stack, sms, zawadi, at("h"))
    with clock.freeze(clock.now() + timedelta(days=400)):
        assert await jobs.sweep(stack) > 0
    with pytest.raises(NotPermitted):
        policy.decide(ctx_of(Kind.JOB, "another"), "signin.sweep", policy.ANYONE)
