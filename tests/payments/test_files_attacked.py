"""Payment files and programmes under attack: bombs, huge sums, changed content, races, one official with two hats."""

import asyncio

import pytest
from tests.payments import kit

from msingi.kernel.errors import Conflict, DifferentContent, Malformed, Refusal
from msingi.payments import acts as ledger
from msingi.payments import audit, errors, files, working
from msingi.payments.programmes import acts, preparing
from msingi.payments.programmes.model import ProgrammeOrder

CLERK = kit.as_staff("payment-clerk", id="clerk", purpose="social-protection")
BOSS = kit.as_staff("payment-approver", id="boss", purpose="social-protection")
CHIEF = kit.as_staff("payment-approver", id="chief", purpose="social-protection")
BOTH = kit.as_staff("payment-clerk", "payment-approver", id="clerk", purpose="social-protection")


@pytest.fixture(scope="module")
async def source(stack):
    return await kit.treasury(stack, 10**9)


@pytest.fixture(scope="module")
async def people(stack):
    return [await kit.enrolled(stack) for _ in range(3)]


async def balance(stack, person):
    held = await ledger.balances_of(stack, kit.as_person(person.id), person.id)
    return held.get(stack.profile.currency.code, 0)


def bombs(source, people):
    """Payment files that are meant to hurt, each with the rule that stops it."""
    good = kit.pain_001(source.number, [("E1", people[0].number, "5")], message="BOMB")
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return {
        "billion-laughs": good.replace(b"<Document", f'<!DOCTYPE D [<!ENTITY l0 "ha">{laughs}]><Document'.encode(), 1),
        "local-file": good.replace(
            b"<Document", b'<!DOCTYPE D [<!ENTITY f SYSTEM "file:///etc/passwd">]><Document', 1
        ).replace(b"Cash transfer, January", b"&f;"),
        "outside": good.replace(b"<Document", b'<!DOCTYPE D SYSTEM "http://127.0.0.1:9/x.dtd"><Document', 1),
        "include": good.replace(
            b"Cash transfer, January", b'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="/etc/passwd"/>'
        ),
        "huge": kit.pain_001(source.number, [("E1", people[0].number, "9" * 18)], message="BOMB"),
        "negative": kit.pain_001(source.number, [("E1", people[0].number, "-5")], message="BOMB"),
        "exponent": kit.pain_001(source.number, [("E1", people[0].number, "1e9")], message="BOMB", total="1000000000"),
        "fraction": kit.pain_001(source.number, [("E1", people[0].number, "0.001")], message="BOMB"),
        "twice": kit.pain_001(source.number, [("E1", people[0].number, "5")] * 2, message="BOMB"),
        "wrong-sum": kit.pain_001(source.number, [("E1", people[0].number, "5")], message="BOMB", total="4"),
        "other-currency": kit.pain_001(source.number, [("E1", people[0].number, "5")], message="BOMB", currency="USD"),
        "deep": good.replace(b"Cash transfer, January", b"<a>" * 5_000 + b"</a>" * 5_000),
    }


async def test_no_bomb_is_taken_and_none_leaves_anything_behind(stack, source, people):
    before = await files.payment_files(stack, CLERK)
    for name, raw in bombs(source, people).items():
        try:
            taken = await files.upload_payment_file(stack, CLERK, raw)
        except Malformed as told:
            assert told.facts.get("rule") and "root:" not in told.detail, name
        else:
            pytest.fail(f"{name} was taken: {taken}")
    assert await files.payment_files(stack, CLERK) == before
    # the name of the refused file is still free
    good = kit.pain_001(source.number, [("E1", people[0].number, "5")], message="BOMB")
    assert (await files.upload_payment_file(stack, CLERK, good)).lines == 1


async def test_a_changed_file_under_the_same_name_never_replaces_the_one_that_is_approved(stack, source, people):
    first = kit.pain_001(source.number, [("E1", people[0].number, "5")], message="SWAP")
    second = kit.pain_001(source.number, [("E1", people[1].number, "500000")], message="SWAP")
    told = await asyncio.gather(
        *[files.upload_payment_file(stack, CLERK, raw) for raw in (first, second)], return_exceptions=True
    )
    (kept,) = [t for t in told if not isinstance(t, BaseException)]
    (no,) = [t for t in told if isinstance(t, BaseException)]
    assert isinstance(no, Conflict)
    await files.approve_payment_file(stack, BOSS, kept.file_id)
    for raw in (first, second):
        try:
            again = await files.upload_payment_file(stack, CLERK, raw)
        except DifferentContent:
            continue
        assert (again.file_id, again.total_minor) == (kept.file_id, kept.total_minor)
    assert (await files.payment_file(stack, BOSS, kept.file_id)).total_minor == kept.total_minor


async def test_approvals_at_once_and_replayed_count_once(stack, source, people):
    before = await balance(stack, people[0])
    raw = kit.pain_001(source.number, [("E1", people[0].number, "70")], message="RACE")
    kept = await files.upload_payment_file(stack, BOTH, raw)
    told = await asyncio.gather(
        *[files.approve_payment_file(stack, ctx, kept.file_id) for ctx in (BOSS, CHIEF, BOTH, BOSS)],
        return_exceptions=True,
    )
    assert sorted(type(t).__name__ for t in told) == ["FileNotReady", "FileNotReady", "FourEyes", "PaymentFile"]
    await asyncio.gather(*[working.run_file(stack, kept.file_id) for _ in range(3)])
    with pytest.raises(errors.FileNotReady):  # once paid, an old approval opens nothing again
        await files.approve_payment_file(stack, CHIEF, kept.file_id)
    assert (await working.run_file(stack, kept.file_id)).paid == 1
    assert await balance(stack, people[0]) == before + 70


async def test_a_cycle_opened_by_many_at_once_is_one_cycle_and_pays_once(stack, source, people):
    before = [await balance(stack, p) for p in people]
    made = await acts.open_programme(stack, CLERK, ProgrammeOrder("RUSH", "Rush", source.number, 300))
    lists = [acts.enrol_beneficiaries(stack, CLERK, made.programme_id, [p.number for p in people]) for _ in range(4)]
    told = await asyncio.gather(*lists)
    assert sum(t.outcome == "enrolled" for one in told for t in one) == 3  # law 2, whoever was first
    opened = await asyncio.gather(*[acts.open_cycle(stack, CLERK, made.programme_id, "1") for _ in range(4)])
    assert len(set(opened)) == 1
    await asyncio.gather(*[preparing.prepare(stack, opened[0]) for _ in range(3)])
    assert (await files.payment_file(stack, BOSS, str(opened[0]))).lines == 3
    await files.approve_payment_file(stack, BOSS, str(opened[0]))
    await working.run_file(stack, str(opened[0]))
    retries = await asyncio.gather(
        *[acts.open_cycle(stack, CLERK, made.programme_id, "1", retry=True) for _ in range(3)], return_exceptions=True
    )
    assert all(isinstance(t, Refusal) for t in retries)  # everybody was paid: nobody is left
    assert [await balance(stack, p) for p in people] == [b + 300 for b in before]
    assert (await audit.check_books(stack.db)).ok
