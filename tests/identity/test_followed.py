"""What other rooms hold of a person follows the identity: cards, sessions, accounts; in whatever order news come."""

from uuid import uuid4

import msgspec
import pytest
from tests.identity.test_acts import adjudicator, enrolled, key, officer, registrar
from tests.identity.test_lifecycle import YES, judge_2, merged

from msingi import countries, offers
from msingi.consent.model import ConsentChanged, ConsentId, State
from msingi.credentials import acts as credentials
from msingi.identity import acts
from msingi.identity.lifecycle import acts as life
from msingi.identity.lifecycle import relying
from msingi.identity.model import Cause, Status, StatusChanged
from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.kernel.errors import NotPermitted
from msingi.payments import acts as payments
from msingi.payments import holders, writer
from msingi.payments.errors import AccountFrozen, NoSuchAccount
from msingi.payments.model import AccountKind, Alias, IssueOrder, TransferOrder

__all__ = ["adjudicator", "judge_2", "officer", "registrar"]  # fixtures, imported by name


def job(purpose="payment"):
    return job_context("setup", purpose)


@pytest.fixture
async def purses(stack, officer):
    """Two people with money, and how to pay between them."""
    one, two = await enrolled(stack, officer), await enrolled(stack, officer)
    accounts = [await payments.open_account(stack, job(), x.person_id, AccountKind.WALLET) for x in (one, two)]
    if not stack.local.get("test.issue"):
        stack.local["test.issue"] = await payments.open_account(stack, job(), "benki", AccountKind.ISSUE, label="i")
    treasury = await payments.open_account(stack, job(), "hazina", AccountKind.GOVERNMENT, label=key())
    await payments.issue(stack, job_context("setup", "operations"), IssueOrder(key(), treasury.number, 10**6))
    minister = job_ctx_of("hazina")
    for account in accounts:
        await payments.transfer(stack, minister, order(treasury.number, account.number, 10**5))
    return one, two, *(a.number for a in accounts)


def job_ctx_of(institution):
    who = Actor(Kind.STAFF, "treasurer-1", institution, frozenset({"treasurer"}), 2)
    return context(who, "payment", "contract")


def order(payer, payee, amount):
    return TransferOrder(key(), payer, Alias("account", payee), amount, countries.load("taifa").currency.code)


async def pay(stack, ctx_of, person, payer, payee):
    me = ctx_of(Kind.PERSON, person.person_id, purpose="payment", basis="contract")
    return await payments.transfer(stack, me, order(payer, payee, 100))


async def test_nobody_pays_from_an_identity_out_of_use_also_past_other_writers(
    stack, officer, adjudicator, judge_2, purses, ctx_of
):
    one, two, mine, theirs = purses
    other = writer.Writer(stack)  # another process' writer, which has met these accounts before
    await pay(stack, ctx_of, one, mine, theirs)
    stack.local["payments.writer.0"], first = other, stack.local["payments.writer.0"]
    await pay(stack, ctx_of, one, mine, theirs)
    await acts.suspend(stack, adjudicator, one.person_id, "Reported stolen.", Cause.FRAUD)
    await stack.outbox.drain(stack)
    for by in (first, other, first):
        stack.local["payments.writer.0"] = by
        with pytest.raises(AccountFrozen):
            await pay(stack, ctx_of, one, mine, theirs)
        assert await pay(stack, ctx_of, two, theirs, mine)  # what is sent still arrives
    await acts.reactivate(stack, adjudicator, one.person_id, "Found.")
    await stack.outbox.drain(stack)
    for by in (other, first):
        stack.local["payments.writer.0"] = by
        assert await pay(stack, ctx_of, one, mine, theirs)


async def test_a_merge_gives_nobody_the_money_or_the_card_of_the_other(
    stack, officer, adjudicator, judge_2, purses, ctx_of
):
    one, two, mine, theirs = purses
    issued = await credentials.issue_card(stack, job("credential-issuance"), one.person_id, key())
    await merged(stack, adjudicator, judge_2, one, two)
    await stack.outbox.drain(stack)
    thief = ctx_of(Kind.PERSON, two.person_id, purpose="payment", basis="contract")
    for ctx in (thief, ctx_of(Kind.PERSON, one.person_id, purpose="payment", basis="contract")):
        with pytest.raises((AccountFrozen, NotPermitted, NoSuchAccount)):
            await payments.transfer(stack, ctx, order(mine, theirs, 1))
    holder = ctx_of(Kind.PERSON, one.person_id, purpose="subject-access", basis="legal-obligation")
    card = (await credentials.cards_of(stack, holder, one.person_id))[0]
    assert card.credential_id == issued.credential_id and card.state == "suspended"
    asked = await life.propose_unmerge(stack, adjudicator, one.person_id, "Two women.")
    await life.decide_proposal(stack, judge_2, asked, YES)
    await stack.outbox.drain(stack)
    assert await pay(stack, ctx_of, one, mine, theirs)
    assert (await credentials.cards_of(stack, holder, one.person_id))[0].state == "active"


async def test_news_that_arrive_late_change_nothing_back(stack, officer, adjudicator, purses, ctx_of):
    """The outbox promises no order: the present status counts, not what the news said."""
    one, _, mine, theirs = purses
    await acts.suspend(stack, adjudicator, one.person_id, "Lost.")
    await stack.outbox.drain(stack)
    late = msgspec.json.encode(StatusChanged(one.person_id, Status.ACTIVE, Cause.OFFICER))
    await holders.on_status(stack, late)
    with pytest.raises(AccountFrozen):
        await pay(stack, ctx_of, one, mine, theirs)


async def test_an_institution_with_a_consent_is_told_of_changes(stack, officer, ctx_of):
    one = await enrolled(stack, officer)
    granted = ConsentChanged(one.person_id, ConsentId(uuid4()), "hazina", "social-protection", State.GRANTED)
    await offers.note_relying(stack, msgspec.json.encode(granted))
    await acts.set_phone(stack, officer, one.person_id, "0754 000 777")
    ministry = ctx_of(Kind.CLIENT, "hazina-app", institution="hazina", purpose="social-protection")
    told = (await relying.notices(stack, ministry)).notices[-1]
    assert (told.what, told.pseudonym) == ("changed", stack.pseudonym.of("hazina", one.person_id))
