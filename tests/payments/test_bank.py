"""Shops and statements of the bank on a real database: who may, what happens, what is refused, what adds up."""

import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest
from lxml import etree
from tests.payments import kit

from msingi.kernel import clock
from msingi.kernel.errors import DifferentContent, Malformed, NotPermitted
from msingi.payments import errors as ledger_errors
from msingi.payments import rules as ledger_rules
from msingi.payments.bank import acts, rules, statements, wire
from msingi.payments.bank.errors import ForeignCode, NoSuchMerchant, NotACode, StatementTooLong
from msingi.payments.bank.model import Booked, MerchantOrder, Period, Purchase
from msingi.payments.model import Entry

OFFICER = kit.as_staff("account-officer", id="mbenki", institution="benki")
STRANGER = kit.as_staff("account-officer", id="other", institution="rita")


def shop_order(key: str, **more: str) -> MerchantOrder:
    said = {"name": "Duka la Mama Asha", "latin": "DUKA LA MAMA ASHA", "city": "DODOMA", "category": "5411"}
    return MerchantOrder(key=key, **(said | more))


@pytest.fixture(scope="module")
async def town(stack):
    """A shopkeeper and a customer with 50,000."""
    source = await kit.treasury(stack)
    keeper, customer = await kit.enrolled(stack, "Mama"), await kit.enrolled(stack, "Juma")
    till = await kit.wallet(stack, keeper.id)
    purse = await kit.wallet(stack, customer.id, 50_000, source)
    shop = await acts.register_merchant(stack, OFFICER, shop_order("town", number=keeper.number))
    return {"keeper": keeper, "customer": customer, "till": till, "purse": purse, "shop": shop, "source": source}


def me(who: kit.Enrolled):
    return kit.as_person(who.id, name="Juma Mrema")


def purchase(town, key: str, amount: int = 1500, **more: str) -> Purchase:
    said = {"payer": town["purse"].number, "merchant": town["shop"].code, "currency": "TZS"}
    return Purchase(key=key, amount_minor=amount, **(said | more))


async def test_access_register_merchant(stack, town):
    again = await acts.register_merchant(stack, OFFICER, shop_order("town", number=town["keeper"].number))
    assert again == town["shop"] and rules.is_merchant_code(again.code)
    for no in (kit.as_staff("treasurer"), me(town["keeper"])):
        with pytest.raises(NotPermitted):
            await acts.register_merchant(stack, no, shop_order("no", number=town["keeper"].number))
    with pytest.raises(DifferentContent):
        await acts.register_merchant(stack, OFFICER, shop_order("town", account=town["source"].number))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"latin": "Café"}, "latin"), ({"city": "x" * 16}, "city"), ({"name": "a\nb"}, "name"),
        ({"category": "0000"}, "category"), ({"account": ""}, "number"),
    ],
)  # fmt: skip
async def test_a_shop_that_a_code_cannot_carry_is_refused(stack, town, wrong, field):
    with pytest.raises(Malformed) as refused:
        await acts.register_merchant(stack, OFFICER, shop_order("bad", **({"account": town["source"].number} | wrong)))
    assert refused.value.facts["field"] == field


async def test_access_own_merchants(stack, town):
    (mine,) = await acts.own_merchants(stack, me(town["keeper"]))
    assert mine.merchant == town["shop"] and mine.account == town["till"].number
    assert await acts.own_merchants(stack, me(town["customer"])) == []
    with pytest.raises(NotPermitted):
        await acts.own_merchants(stack, kit.as_staff("auditor"))


async def test_access_registered_merchants(stack, town):
    now = kit.as_staff("account-officer", id="mbenki", institution="benki")
    office = await acts.register_merchant(stack, now, shop_order("office", account=town["source"].number))
    found = await acts.registered_merchants(stack, OFFICER, limit=1)
    assert [own.merchant for own in found] == [office] and town["source"].number not in found[0].account
    older = await acts.registered_merchants(stack, OFFICER, before=office.registered_at, before_code=office.code)
    assert [own.merchant for own in older] == [town["shop"]]
    assert await acts.registered_merchants(stack, STRANGER) == []
    with pytest.raises(NotPermitted):
        await acts.registered_merchants(stack, me(town["keeper"]))


async def test_access_merchant_code(stack, town):
    text = await acts.merchant_code(stack, me(town["keeper"]), town["shop"].code, amount_minor=2500, bill="B7")
    seen = await acts.scan(stack, me(town["customer"]), text)
    assert (seen.merchant, seen.amount_minor, seen.bill) == (town["shop"], 2500, "B7")
    with pytest.raises(NoSuchMerchant):
        await acts.merchant_code(stack, me(town["customer"]), town["shop"].code)
    with pytest.raises(NotPermitted):
        await acts.merchant_code(stack, kit.as_staff("auditor"), town["shop"].code)


async def test_access_scan(stack, town):
    static = acts.text_of(stack, town["shop"])
    assert (await acts.scan(stack, me(town["customer"]), static)).amount_minor == 0
    with pytest.raises(NotPermitted):
        await acts.scan(stack, kit.as_staff("enrolment-officer"), static)


async def test_law_1_a_sticker_with_another_name_shows_the_name_of_the_register(stack, town):
    from msingi.payments.bank import emv, tariff

    true = emv.Code(
        merchant=town["shop"].code, name="WATER COMPANY", city="DODOMA", country="XT", currency="TZS", category="4900"
    )
    sticker = emv.write(true, tariff.of(stack).qr_domain, stack.profile.currency)
    assert (await acts.scan(stack, me(town["customer"]), sticker)).merchant.name == "Duka la Mama Asha"
    with pytest.raises(ForeignCode):
        await acts.scan(stack, me(town["customer"]), emv.write(true, "ke.co.other", stack.profile.currency))
    with pytest.raises(NotACode):
        await acts.scan(stack, me(town["customer"]), sticker.replace("WATER", "OTHER"))


async def test_access_see_merchant(stack, town):
    assert await acts.see_merchant(stack, me(town["customer"]), town["shop"].code) == town["shop"]
    with pytest.raises(NoSuchMerchant):
        await acts.see_merchant(stack, me(town["customer"]), "1234567")
    with pytest.raises(NotPermitted):
        await acts.see_merchant(stack, kit.as_staff("enrolment-officer"), town["shop"].code)


async def test_access_open_shop(stack, town):
    shop = await acts.open_shop(stack, me(town["customer"]), town["shop"].code)
    assert shop.account == ledger_rules.id_of(town["till"].number)
    with pytest.raises(NotPermitted):
        await acts.open_shop(stack, kit.as_staff("enrolment-officer"), town["shop"].code)


async def test_access_find_payee(stack, town):
    ctx = me(town["customer"])
    keeper = town["keeper"]
    for typed in (keeper.phone, keeper.number, town["till"].number):
        found = await acts.find_payee(stack, ctx, typed)
        assert found.name == "M. M." and found.currency == "TZS"
    assert (await acts.find_payee(stack, ctx, town["shop"].code)).name == "Duka la Mama Asha"
    for nobody in ("12", "+255799999999", "1234566"):
        with pytest.raises((ledger_errors.NoSuchAccount, NoSuchMerchant)):
            await acts.find_payee(stack, ctx, nobody)
    with pytest.raises(NotPermitted):
        await acts.find_payee(stack, kit.as_staff("enrolment-officer"), keeper.phone)


async def test_access_pay_merchant(stack, town):
    ctx = me(town["customer"])
    first = await acts.pay_merchant(stack, ctx, purchase(town, "p1", bill="INV 7"))
    again = await acts.pay_merchant(stack, ctx, purchase(town, "p1", bill="INV 7"))
    assert first == again and first.to == "Duka la Mama Asha" and first.amount_minor == 1500
    with pytest.raises(DifferentContent):
        await acts.pay_merchant(stack, ctx, purchase(town, "p1", 1501, bill="INV 7"))
    with pytest.raises(ledger_errors.NoSuchAccount):  # somebody else's money
        await acts.pay_merchant(stack, me(town["keeper"]), purchase(town, "p1", bill="INV 7"))
    with pytest.raises(ledger_errors.InsufficientFunds):
        await acts.pay_merchant(stack, ctx, purchase(town, "p2", 900_000))
    with pytest.raises(ledger_errors.AmountOutOfRange):
        await acts.pay_merchant(stack, ctx, purchase(town, "p3", -5))
    with pytest.raises(NotPermitted):
        await acts.pay_merchant(stack, kit.as_person(town["customer"].id, assurance=1), purchase(town, "p4"))


async def test_access_close_merchant(stack, town):
    shop = await acts.register_merchant(stack, OFFICER, shop_order("closing", account=town["source"].number))
    with pytest.raises(NoSuchMerchant):
        await acts.close_merchant(stack, STRANGER, shop.code)
    with pytest.raises(NotPermitted):
        await acts.close_merchant(stack, me(town["keeper"]), shop.code)
    assert not (await acts.close_merchant(stack, OFFICER, shop.code)).is_open
    with pytest.raises(NoSuchMerchant):
        await acts.pay_merchant(stack, me(town["customer"]), purchase(town, "late", merchant=shop.code))


async def test_access_booked(stack, town):
    ctx, number = me(town["customer"]), town["purse"].number
    await acts.pay_merchant(stack, ctx, purchase(town, "s1", 700, bill="=1+1"))
    day = (clock.now() + timedelta(minutes=stack.profile.utc_offset_minutes)).date()
    found = await statements.booked(stack, ctx, number, Period(day, day), holder="Juma Mrema")
    assert found.opening_minor == 0 and found.entries[0].amount_minor == 50_000
    assert found.opening_minor + sum(e.amount_minor for e in found.entries) == found.closing_minor
    before = await statements.booked(stack, ctx, number, Period(day - timedelta(days=9), day - timedelta(days=1)))
    assert before.entries == [] and before.closing_minor == 0
    with pytest.raises(ledger_errors.NoSuchAccount):
        await statements.booked(stack, me(town["keeper"]), number, Period(day, day))
    with pytest.raises(NotPermitted):
        await statements.booked(stack, kit.as_staff("enrolment-officer"), number, Period(day, day))
    with pytest.raises(Malformed):
        await statements.booked(stack, ctx, number, Period(day, day - timedelta(days=1)))
    with pytest.raises(StatementTooLong):
        await statements.booked(stack, ctx, number, Period(day - timedelta(days=400), day))


def a_statement(amounts: list[int]) -> Booked:
    """A statement as if these amounts had been booked, one each minute."""
    begin = datetime(2026, 1, 31, 21, tzinfo=UTC)
    balance, entries = 10_000, []
    for n, amount in enumerate(amounts):
        balance += amount
        at = begin + timedelta(minutes=n + 1)
        transfer = f"00000000-0000-8000-8000-{n:012d}"
        entries.append(Entry(n + 5, transfer, at, amount, balance, "Duka & <Soko>", '=2*3, "x"', "MERC"))
    return Booked(
        account="7475614951182", kind="wallet", holder="Asha Mrema", currency="TND",
        period=Period(date(2026, 2, 1), date(2026, 2, 28)), start=begin, stop=begin + timedelta(days=28),
        opening_minor=10_000, closing_minor=balance, entries=entries, made_at=begin + timedelta(days=40),
        statement_id="7475614951182-260201-260228",
    )  # fmt: skip


@pytest.mark.parametrize("amounts", [[], [2_500], [-1, 700, -1_200, 5]], ids=["none", "one", "four"])
def test_law_4_a_statement_adds_up_in_every_form(amounts):
    from msingi.countries import load

    made, currency = a_statement(amounts), load("wahat").currency
    lines = list(csv.DictReader(io.StringIO(wire.to_csv(made, currency).decode("utf-8-sig"))))
    assert len(lines) == len(amounts) + 2
    assert int(lines[-1]["balance"].replace(".", "")) == 10_000 + sum(amounts)
    assert [int(line["amount"].replace(".", "")) for line in lines[1:-1]] == amounts
    assert all(not cell.startswith("=") for line in lines for cell in line.values())
    tree = etree.fromstring(wire.to_camt_053(made, currency, "Banque postale"))
    signs = {"CRDT": 1, "DBIT": -1}

    def minor(element) -> int:
        amount = element.find("{*}Amt")
        assert amount.get("Ccy") == "TND"
        return signs[element.findtext("{*}CdtDbtInd")] * int(amount.text.replace(".", ""))

    balances = {b.findtext(".//{*}Cd"): minor(b) for b in tree.iter("{*}Bal")}
    assert balances == {"OPBD": 10_000, "CLBD": 10_000 + sum(amounts)}
    assert [minor(e) for e in tree.iter("{*}Ntry")] == amounts
    assert tree.findtext(".//{*}TtlNtries/{*}NbOfNtries") == str(len(amounts))
    assert all(len(e.text) <= 35 for e in tree.iter("{*}AcctSvcrRef", "{*}MsgId"))


def test_the_statement_is_what_other_peoples_classes_read_as_camt_053():
    pytest.importorskip("pyiso20022")
    from pyiso20022.camt.camt_053_001_08 import Document
    from xsdata.formats.dataclass.parsers import XmlParser
    from xsdata.formats.dataclass.parsers.config import ParserConfig

    from msingi.countries import load

    raw = wire.to_camt_053(a_statement([-1_500, 20_000]), load("wahat").currency, "Banque postale")
    strict = ParserConfig(fail_on_unknown_properties=True, fail_on_unknown_attributes=True)
    read = XmlParser(config=strict).from_bytes(raw, Document).bk_to_cstmr_stmt.stmt[0]
    assert [str(b.amt.value) for b in read.bal] == ["10.000", "28.500"]
    assert [str(n.amt.value) for n in read.ntry] == ["1.500", "20.000"]
    assert ledger_rules.id_of(read.acct.id.othr.id)
