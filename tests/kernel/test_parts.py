"""Money, identifiers, named SQL, settings, the outbox and the edge."""

import asyncio
import time
from uuid import UUID

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msingi.kernel import ids, log, money, policy, sql
from msingi.kernel.context import job_context
from msingi.kernel.errors import Malformed
from msingi.kernel.money import Currency
from msingi.kernel.outbox import MAX_TRIES
from msingi.kernel.settings import Settings, read

CURRENCIES = [Currency("TZS", 0, "834", "TSh"), Currency("USD", 2, "840"), Currency("TND", 3, "788")]
RULE = '@id("demo.job") permit (principal is Job, action == Action::"demo.job", resource);'


@given(st.integers(0, 10**17), st.sampled_from(CURRENCIES))
def test_money_survives_writing_and_reading(amount, currency):
    assert money.parse(money.plain(amount, currency), currency) == amount
    assert (
        money.plain(-amount, currency) in (f"-{money.plain(amount, currency)}", "-0", money.plain(0, currency))
        or amount
    )


@pytest.mark.parametrize("text", ["", "-1", "1,5", "1.5 ", "01", "1e3", "1.", ".5", "٣", "9" * 19, "NaN", "0x1"])
def test_money_that_is_no_plain_decimal_is_refused(text):
    with pytest.raises(Malformed):
        money.parse(text, CURRENCIES[1])


def test_money_with_more_decimals_than_the_currency_uses():
    assert money.parse("1500.00", CURRENCIES[0]) == 1500 and money.parse("1.250", CURRENCIES[2]) == 1250
    for text, currency in (("0.5", CURRENCIES[0]), ("1.005", CURRENCIES[1]), ("1.0001", CURRENCIES[2])):
        with pytest.raises(Malformed, match="decimals"):
            money.parse(text, currency)


def test_money_for_people():
    assert money.format(1_234_567, CURRENCIES[2], group=" ", point=",") == "TND\u00a01 234,567"
    assert money.format(-1500, CURRENCIES[0], group=",") == "-TSh\u00a01,500"


def test_ids_are_version_7_and_sort_by_time():
    made = [ids.uuid7() for _ in range(20_000)]
    assert made == sorted(made) and len(set(made)) == len(made)
    assert all(isinstance(i, UUID) and i.version == 7 for i in made[:10])
    assert abs((made[0].int >> 80) / 1000 - time.time()) < 5


@pytest.mark.parametrize(
    "text", ["-- name: a\nSELECT 1", "-- name: a\n-- About.\n", "-- name: a\n-- x\nS\n-- name: a\n-- x\nS"]
)
def test_sql_without_description_body_or_own_name_is_refused(text):
    with pytest.raises(ValueError, match="statement a"):
        sql.parse(text, "test")


def test_settings_name_what_is_wrong(monkeypatch):
    monkeypatch.setenv("MSINGI_PORT", "http")
    with pytest.raises(ValueError, match="port"):
        read()
    monkeypatch.setenv("MSINGI_PORT", "9000")
    assert read().url == "http://127.0.0.1:9000" and read(port=1).port == 1
    monkeypatch.setenv("MSINGI_PROT", "9000")
    with pytest.raises(ValueError, match="MSINGI_PROT is not a setting"):
        read()
    monkeypatch.delenv("MSINGI_PROT")
    with pytest.raises(ValueError, match="loopback"):
        read(host="0.0.0.0", sandbox=True)
    assert Settings(base_url="https://id.example/").origin == "id.example/log"


@pytest.fixture
def demo():
    before = policy._policies
    policy.load([], {"demo": RULE})
    yield
    policy._policies = before


async def emit(stack, kind, payload, fail=False):
    permit = policy.decide(job_context("x"), "demo.job", policy.NOBODY)
    async with stack.db.transaction(permit) as tx:
        await stack.outbox.emit(tx, kind, payload)
        log.append(tx, permit)
        if fail:
            raise ValueError("the act failed")


async def test_law_5_an_event_leaves_if_and_only_if_its_transaction_commits(stack, demo):
    seen = []

    async def doer(_, payload):
        seen.append(payload)

    stack.outbox.subscribe("demo.happened", doer)
    await emit(stack, "demo.happened", {"n": 1})
    with pytest.raises(ValueError, match="the act failed"):
        await emit(stack, "demo.happened", {"n": 2}, fail=True)
    await stack.outbox.drain(stack)
    assert seen == [b'{"n":1}']


async def test_an_event_that_fails_is_tried_again_and_at_last_kept_with_its_reason(stack, demo, owner_url):
    tries = 0

    async def doer(_, payload):
        nonlocal tries
        tries += 1
        raise RuntimeError("the gateway is down")

    stack.outbox.subscribe("demo.fails", doer)
    await emit(stack, "demo.fails", {})
    owner = await asyncpg.connect(owner_url)
    for _ in range(MAX_TRIES + 2):
        await stack.outbox.deliver(stack)
        await owner.execute("UPDATE kernel.outbox SET due = now()")
    row = await owner.fetchrow("SELECT tries, failed FROM kernel.outbox WHERE kind = 'demo.fails'")
    await owner.execute("DELETE FROM kernel.outbox WHERE kind = 'demo.fails'")
    await owner.close()
    assert tries == MAX_TRIES and row["failed"] == "RuntimeError"


async def test_whoever_does_not_answer_delays_nobody_else(stack, demo):
    """What is handed to others has a lane of its own, and there each destination is asked by itself."""
    answers, told, inside = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def hand_over(_, payload):
        if b"dead" in payload:
            await answers.wait()
        else:
            told.set()

    async def note(_, payload):
        inside.set()

    stack.outbox.subscribe("demo.handed", hand_over, outside=True)
    stack.outbox.subscribe("demo.noted", note)
    for peer in ("dead", "dead", "alive"):
        await emit(stack, "demo.handed", {"to": peer})
    running = asyncio.create_task(stack.outbox.run(stack))
    try:
        await asyncio.wait_for(told.wait(), 60)
        await emit(stack, "demo.noted", {})
        await asyncio.wait_for(inside.wait(), 60)
        assert not answers.is_set()
    finally:
        answers.set()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    await stack.outbox.drain(stack)


async def test_two_workers_never_deliver_the_same_event_twice(stack, demo):
    seen = []

    async def doer(_, payload):
        await asyncio.sleep(0.001)
        seen.append(payload)

    stack.outbox.subscribe("demo.many", doer)
    for n in range(40):
        await emit(stack, "demo.many", {"n": n})
    await asyncio.gather(*(stack.outbox.deliver(stack, 10) for _ in range(4)))
    await stack.outbox.drain(stack)
    assert len(seen) == 40 == len(set(seen))


async def test_every_answer_carries_security_headers_and_a_request_id(client):
    for path, status in (("/healthz", 200), ("/readyz", 200), ("/no/such/door", 404), ("/openapi.json", 200)):
        answer = await client.get(path)
        assert answer.status_code == status
        assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["x-request-id"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    missing = await client.get("/no/such/door")
    assert missing.headers["content-type"] == "application/problem+json"
    assert missing.json()["code"] == "no-such-door" and missing.json()["remedy"]
    wrong = await client.delete("/healthz")
    assert wrong.status_code == 405 and wrong.json()["code"] == "wrong-method"


def test_a_log_line_holds_no_exception_text():
    import logging

    from msingi.doors import JsonLines

    try:
        raise ValueError("Asha Mwita 1990")
    except ValueError as failure:
        record = logging.LogRecord("x", 40, "f", 1, "bug", None, (type(failure), failure, failure.__traceback__))
    line = JsonLines().format(record)
    assert "Asha" not in line and "ValueError" in line and "test_parts" in line


def test_readable_lines_tell_where_it_broke_and_not_what_was_refused():
    import logging
    import sys

    from msingi.doors import PlainLines

    try:
        raise ValueError("the row (Asha, 1990-02-03) violates a constraint")
    except ValueError:
        record = logging.LogRecord("msingi.web", logging.ERROR, __file__, 1, "bug", (), sys.exc_info())
    text = PlainLines().format(record)
    assert "Asha" not in text and "ValueError" in text and "test_parts.py" in text and "bug" in text
