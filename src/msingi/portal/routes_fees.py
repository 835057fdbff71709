"""The page that explains fees: each payment of a month, what it cost, and by which product and terms."""

from datetime import date, timedelta

from litestar import Response, get

from msingi.kernel import clock
from msingi.kernel.money import Money
from msingi.payments.fees import acts as fees
from msingi.payments.fees.model import Charged, Kind
from msingi.payments.products import catalogue
from msingi.portal.model_bank import Fact
from msingi.portal.model_shared import Choice, Item, Listed, Section
from msingi.portal.routes_money import purse_of, purses_of
from msingi.portal.routes_products import charge_facts
from msingi.portal.visit import Visit, WebRequest, visit_as_person


def _item(seen: Visit, one: Charged) -> Item:
    say = seen.say
    product = next((p for p in catalogue.of(seen.stack).products if p.code == one.product), None)
    facts = [
        Fact(label=say("send.amount"), money=Money(one.amount_minor, one.currency)),
        Fact(label=say("send.fee"), money=Money(one.fee_minor, one.currency), strong=True),
    ]
    tax = catalogue.of(seen.stack).tax
    if one.tax_minor and tax is not None:
        facts.append(Fact(label=seen.of(tax.name), money=Money(one.tax_minor, one.currency)))
    facts.append(Fact(label=say("fees.product"), text=seen.of(product.name) if product else one.product))
    facts.append(Fact(label=say("fees.since"), day=one.begins))
    state = "fees.returned" if one.state == "returned" else "fees.was_free" if one.free else ""
    kinds = {Kind.SALE: "fees.sale", Kind.STANDING: "standing.title", Kind.BILL: "fees.bill"}
    kind = kinds.get(one.kind, "fees.payment")
    return Item(
        title=f"{say(kind)} {one.transfer_id[-8:]}", facts=(Fact(label=say("statement.day"), at=one.at), *facts),
        state=say(state) if state else "", choices=(
            Choice(label=say("fees.receipt"), href=f"/me/money/receipts/{one.transfer_id}"),
        ),
    )  # fmt: skip


@get("/me/money/fees")
async def of_month(request: WebRequest) -> Response[bytes]:
    """What payments of a month cost (`?month=`, this one without), out of the ordinary account or the one named."""
    seen = await visit_as_person(request)
    today = (clock.now() + timedelta(minutes=seen.stack.profile.utc_offset_minutes)).date()
    month = request.query_params.get("month", "")
    month = month if fees.is_month(month) else f"{today:%Y-%m}"
    purses = [one for one in await purses_of(seen) if one.child is None]
    asked = request.query_params.get("account", "")[:24]
    purse = await purse_of(seen, asked, purses)
    items: list[Item] = []
    facts: tuple[Fact, ...] = ()
    if purse is not None:
        found = await fees.fees_of_month(seen.stack, seen.ctx("payment", "contract"), purse.account.number, month)
        items = [_item(seen, one) for one in found]
        total = sum(one.fee_minor + one.tax_minor for one in found if one.state == "taken")
        facts = (
            Fact(label=seen.say("money.account"), text=purse.account.number),
            Fact(label=seen.say("fees.sum"), money=Money(total, purse.account.currency), strong=True),
        )
    before = (date.fromisoformat(f"{month}-01") - timedelta(days=1)).strftime("%Y-%m")
    number = purse.account.number if purse else ""
    begin = [Choice(label=seen.words.month(before), href=f"/me/money/fees?account={number}&month={before}")]
    begin += [
        Choice(label=one.label or seen.say("money.account_wallet"), href=f"/me/money/fees?account={one.account.number}")
        for one in purses
        if one.account.number != number
    ]
    view = Listed(
        title=seen.say("fees.title"), back="/me/money", back_label=seen.say("menu.money"), lead=seen.say("fees.lead"),
        facts=facts, begin=tuple(begin), note=seen.say("fees.note"),
        sections=(
            Section(title=seen.words.month(month), items=tuple(items), empty=seen.say("fees.none")), *_shop(seen),
        ),
    )  # fmt: skip
    return seen.page("person/listed.html", view, area="person", here="money")


def _shop(seen: Visit) -> tuple[Section, ...]:
    """What shops pay, where the country charges sales."""
    for one in catalogue.of(seen.stack).products:
        if one.standard and one.kind == catalogue.SHOPS and one.terms[-1].sales is not None:
            item = Item(title=seen.of(one.name), facts=charge_facts(seen, one.terms[-1].sales))
            return (Section(title=seen.say("fees.shops"), items=(item,)),)
    return ()


doors = [of_month]
