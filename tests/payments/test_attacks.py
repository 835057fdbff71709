"""Attacks on money, one test each: amounts, rounding, currencies, replay, the last shilling, forged answers, names.

Forged callbacks of the switch stand beside its participants: tests/payments_switch/test_transfers.py, `test_attack_*`.
"""

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.payments import kit

from msingi.kernel import web
from msingi.kernel.errors import DifferentContent, Refusal, TooMany
from msingi.payments import acts as ledger
from msingi.payments import audit, errors, holding, rules
from msingi.payments.bank import acts as bank
from msingi.payments.bank import agents
from msingi.payments.model import AccountKind, Alias, TransferOrder
from msingi.payments.rates import rules as rates
from msingi.payments.rates.errors import AmountNotConverted
from msingi.payments.rates.model import RateOrder, Side

WRONG = (
    0,
    -1,
    -(10**15),
    10**15 + 1,
    2**63 - 1,
    2**63,
    2**64 + 5,
    10**40,
    1.5,
    "٣",
    True,
    None,
    [5],
)


@pytest.fixture(scope="module")
async def source(stack):
    return await kit.treasury(stack)


@pytest.fixture
async def as_caller(client, monkeypatch):
    """Makes requests as somebody: what sign-in would have said of them."""

    def of(actor):
        async def known(_stack, _request):
            return actor

        monkeypatch.setattr(web, "_authenticators", [known])
        return client

    return of


async def two(stack, source, amount=1_000):
    asha, juma = await kit.enrolled(stack), await kit.enrolled(stack, "Juma", "Ngowi")
    return asha, await kit.wallet(stack, asha.id, amount, source), juma, await kit.wallet(stack, juma.id)


async def balance(stack, who):
    return (await ledger.balances_of(stack, kit.as_person(who.id), who.id))["TZS"]


def order(payer, payee, amount, key, currency="TZS"):
    return TransferOrder(key, payer.number, Alias("account", payee.number), amount, currency)


async def test_attack_negative_and_huge_amounts(stack, source, as_caller):
    """Nothing but whole numbers of minor units within bounds passes any door that names an amount."""
    asha, mine, juma, his = await two(stack, source)
    http = as_caller(kit.as_person(asha.id).actor)
    payee = {"kind": "account", "value": his.number}
    doors = {
        "/transfers": {"payer": mine.number, "payee": payee, "currency": "TZS"},
        "/holds": {"payer": mine.number, "payee": payee, "currency": "TZS", "timeout_s": 60},
        "/cash": {"agent": "1234567"},
        "/bills": {"account": mine.number, "title": "x"},
        "/standing-orders": {
            "payer": mine.number,
            "payee": his.number,
            "every": "month",
            "first_day": str(date.today()),
        },
    }
    for path, body in doors.items():
        for n, amount in enumerate(WRONG):
            sent = {**body, "amount_minor": amount}
            got = await http.post(f"/v1/payments{path}", json=sent, headers={"Idempotency-Key": f"w{n}"})
            assert 400 <= got.status_code < 404 or got.status_code == 405, (path, amount, got.status_code, got.text)
    for amount in (n for n in WRONG if type(n) is int):
        with pytest.raises(Refusal):
            await ledger.transfer(stack, kit.as_person(asha.id), order(mine, his, amount, f"a{amount}"))
    assert (await balance(stack, asha), await balance(stack, juma)) == (1_000, 0)
    assert (await audit.check_books(stack.db)).ok


NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


@settings(max_examples=120, deadline=None)
@given(
    st.decimals("0.0001", "9999", places=4), st.integers(0, 500), st.integers(0, 3), st.integers(0, 3),
    st.integers(1, 10**9), st.integers(2, 9),
)  # fmt: skip
def test_attack_rounding(middle, spread, source_digits, target_digits, amount, pieces):
    """Money that is exchanged there and back, or in small pieces, never becomes more by rounding."""
    there = RateOrder("AAA", "BBB", f"{middle:.4f}", spread, NOW, NOW + timedelta(days=1), most_minor=10**15)

    def got(minor):
        try:
            return rates.convert(there, source_digits, target_digits, minor, Side.SEND).target_minor
        except AmountNotConverted:
            return 0

    whole = got(amount)
    assert sum(got(part) for part in [amount // pieces] * pieces) <= whole
    if whole:  # what would buy this much costs no less than it is worth
        back = rates.price(there, source_digits, target_digits)
        assert whole <= amount * back
        try:
            needed = rates.convert(there, source_digits, target_digits, whole, Side.RECEIVE).total_minor
        except AmountNotConverted:
            return
        assert needed <= amount and got(needed) == whole


async def test_attack_currency_confusion(stack, source):
    """No order names another currency than both accounts hold: neither a lookalike, nor lower case, nor a real one."""
    asha, mine, juma, his = await two(stack, source)
    dollars = await ledger.open_account(stack, kit.as_person(juma.id), juma.id, AccountKind.CURRENT, currency="USD")
    for n, currency in enumerate(("USD", "tzs", "ТZS", "TZS ", "", "TZ", "KES", "XXX")):
        with pytest.raises(Refusal):
            await ledger.transfer(stack, kit.as_person(asha.id), order(mine, his, 10, f"c{n}", currency))
    for n, currency in enumerate(("TZS", "USD")):
        with pytest.raises(errors.CurrencyMismatch):
            await ledger.transfer(stack, kit.as_person(asha.id), order(mine, dollars, 10, f"d{n}", currency))
    held = await ledger.accounts(stack, kit.as_person(juma.id))
    assert {(a.currency, a.balance_minor) for a in held} == {("TZS", 0), ("USD", 0)}
    assert await balance(stack, asha) == 1_000


async def test_attack_replay(stack, source):
    """An order that is sent again pays once; with other content it is refused; nobody can use another's key."""
    asha, mine, juma, his = await two(stack, source)
    ctx = kit.as_person(asha.id)
    first = await ledger.transfer(stack, ctx, order(mine, his, 100, "once"))
    again = await asyncio.gather(*[ledger.transfer(stack, ctx, order(mine, his, 100, "once")) for _ in range(20)])
    assert {one.transfer_id for one in again} == {first.transfer_id} and await balance(stack, asha) == 900
    for changed in (order(mine, his, 101, "once"), replace(order(mine, his, 100, "once"), reference="more")):
        with pytest.raises(DifferentContent):
            await ledger.transfer(stack, ctx, changed)
    other = await ledger.transfer(stack, kit.as_person(juma.id), order(his, mine, 100, "once"))  # his own key
    assert other.transfer_id != first.transfer_id
    with pytest.raises(errors.NoSuchAccount):
        await ledger.transfer(stack, kit.as_person(juma.id), order(mine, his, 100, "once"))
    assert (await balance(stack, asha), await balance(stack, juma)) == (1_000, 0)


async def test_attack_race_on_the_last_shilling(stack, source):
    """Transfers, holds, and purchases at once, each for all that there is: one gets it, whatever its kind."""
    asha, mine, juma, his = await two(stack, source, 500)
    ctx = kit.as_person(asha.id)
    tries = [ledger.transfer(stack, ctx, order(mine, his, 500, f"t{n}")) for n in range(12)]
    tries += [holding.reserve(stack, ctx, order(mine, his, 500, f"h{n}"), 60) for n in range(12)]
    ended = await asyncio.gather(*tries, return_exceptions=True)
    won = [one for one in ended if not isinstance(one, BaseException)]
    assert len(won) == 1 and all(isinstance(one, errors.InsufficientFunds) for one in ended if one is not won[0])
    (account,) = await ledger.accounts(stack, ctx)
    assert account.available_minor == 0 and account.balance_minor + await balance(stack, juma) == 500
    assert (await audit.check_books(stack.db)).ok


async def test_attack_forged_codes_of_cash(stack, source):
    """The answer that lets an agent take a customer's money is a code that only the customer has: guessing ends soon.

    (Forged callbacks of other banks: `test_attack_only_the_named_payee_fulfils...`, `test_attack_signatures`.)
    """
    from msingi.kernel.context import job_context
    from msingi.payments.bank.errors import NoSuchCash
    from msingi.payments.bank.model import MerchantOrder

    asha, mine, juma, _ = await two(stack, source, 50_000)
    await ledger.open_account(stack, kit.SAMPLE, "benki", AccountKind.FEE, label="fees")
    wanted = MerchantOrder(key="a", name="Wakala", latin="WAKALA", city="DODOMA", category="6010", number=juma.number)
    agent = await bank.register_merchant(stack, job_context("setup", "payment"), wanted)
    asked = await agents.ask_cash(stack, kit.as_person(asha.id), "k", agent.code, 10_000)
    wrong = [f"{(int(asked.code) + n) % 10**6:06d}" for n in range(1, 30)]
    told = []
    for code in wrong:
        with pytest.raises((NoSuchCash, TooMany)) as no:
            await agents.pay_cash(stack, kit.as_person(juma.id), agent.code, code)
        told.append(no.type)
    assert told.count(NoSuchCash) <= 10 and told[-1] is TooMany
    assert await balance(stack, asha) == 50_000 and rules.id_of(mine.number)


async def test_attack_names_by_alias_lookup(stack, source):
    """Ten look-ups a minute, by whatever door, then none: neither names nor who has an account can be tried out."""
    asha, mine, juma, _ = await two(stack, source)
    ctx = kit.as_person(asha.id)
    assert (await ledger.resolve_alias(stack, ctx, Alias("phone", juma.phone))).name == "J. N."  # initials, no more
    told = []
    for n in range(12):
        missing = Alias("phone", f"+2557990000{n:02d}")
        doors = (
            lambda to=missing: ledger.resolve_alias(stack, ctx, to),
            lambda to=missing: bank.find_payee(stack, ctx, to.value),
            lambda to=missing, k=n: ledger.transfer(stack, ctx, TransferOrder(f"k{k}", mine.number, to, 1, "TZS")),
        )
        with pytest.raises((errors.NoSuchAccount, TooMany)) as no:
            await doors[n % 3]()
        told.append(no.type)
    assert told.count(errors.NoSuchAccount) <= ledger.ALIAS_LOOKUPS and told[-3:] == [TooMany] * 3
    with pytest.raises(TooMany):
        await ledger.resolve_alias(stack, ctx, Alias("identity", juma.number))
