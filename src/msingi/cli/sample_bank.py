"""The bank of a sample country: where its fees arrive, a shop that takes payments, and an agent with a float."""

from typing import Any

from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.kernel.stack import Stack
from msingi.payments import acts as payments
from msingi.payments.bank import acts as bank
from msingi.payments.bank import tariff
from msingi.payments.bank.model import MerchantOrder
from msingi.payments.model import Account, AccountKind
from msingi.payments.products import catalogue

TOWN = "CENTRE"


async def account_of(stack: Stack, institution: str, kind: AccountKind, label: str) -> Account:
    """The account of an institution with this label, opened unless a start that was cut off has opened it before."""
    treasurer = Actor(Kind.STAFF, "setup", institution, frozenset({"treasurer"}), 2)
    for account in await payments.accounts(stack, context(treasurer, "payment", "public-task", channel="job")):
        if (account.kind, account.label) == (kind, label):
            return account
    return await payments.open_account(stack, job_context("setup", "payment"), institution, kind, label=label)


async def open_bank(stack: Stack, shopkeeper: tuple[str, str], agent: tuple[str, str]) -> dict[str, Any]:
    """Open the account of fees, and register a shop and an agent (identity number and family name of who runs it).

    Gives what sample.json says of them. Run again, it makes nothing twice.
    """
    ctx = job_context("setup", "payment")
    rates = tariff.of(stack)
    await account_of(stack, rates.institution, AccountKind.FEE, "fees")
    if rates.dormant is not None:
        await account_of(stack, rates.dormant.authority, AccountKind.TRUST, "unclaimed")
    if (tax := catalogue.of(stack).tax) is not None:
        await account_of(stack, tax.institution, AccountKind.GOVERNMENT, "tax")
    made = {}
    for kind, (number, family), category in (
        ("shop", shopkeeper, next(iter(rates.categories))),
        ("agent", agent, rates.agents.category),
    ):
        title = stack.profile.say(rates.categories[category])
        order = MerchantOrder(
            key=f"sample-{kind}",
            name=f"{title} {family}"[:60],
            latin=f"{kind} {family}".upper().encode("ascii", "ignore").decode()[:25],
            city=TOWN,
            category=category,
            number=number,
        )
        registered = await bank.register_merchant(stack, ctx, order)
        made[kind] = {"number": registered.code, "name": registered.name, "holder": number}
    return made
