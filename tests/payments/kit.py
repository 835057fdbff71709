"""What the tests of payments share: people with keys, accounts with money, orders for the writer."""

from datetime import date, timedelta
from itertools import count
from typing import NamedTuple
from uuid import UUID

import asyncpg

from msingi.identity import acts as identity
from msingi.identity.model import Birth, EnrolmentOrder, Name
from msingi.identity.model import Enrolled as EnrolledOutcome
from msingi.kernel import log, policy
from msingi.kernel.context import Actor, Context, Kind, context, job_context
from msingi.kernel.ids import PersonId, uuid7
from msingi.kernel.stack import Stack
from msingi.payments import acts, parties, rules
from msingi.payments.model import Account, AccountKind, IssueOrder, Order

SAMPLE = job_context("setup")
_born = count()


class Enrolled(NamedTuple):
    """Somebody who is enrolled: id, identity number, phone."""

    id: PersonId
    number: str
    phone: str


async def enrolled(stack: Stack, given: str = "Asha", family: str = "Mrema") -> Enrolled:
    """A person with an identity number and a phone; no two have the same birth date and names."""
    n = next(_born)
    phone = f"+255{700_000_000 + n}" if stack.profile.alpha2 == "XT" else f"{stack.profile.phone_prefix}{n:0>9}"
    spoken = "".join("bdfgklmnprstvz"[d] + "aeiou"[d % 5] for d in map(int, f"{n * 7919 % 100_000:05d}"))
    order = EnrolmentOrder(
        name=Name(given, f"{family}{spoken}"),
        birth=Birth((date(1950, 1, 1) + timedelta(days=n * 97)).isoformat()),
        phone=phone,
    )
    done = await identity.enrol(stack, job_context("setup", "identity-registration"), order, f"kit-{n}")
    assert isinstance(done, EnrolledOutcome), done
    return Enrolled(done.person_id, done.number, phone)


def pain_001(
    payer: str,
    lines: list[tuple[str, str, str]],
    *,
    message: str = "MSG-1",
    currency: str = "TZS",
    scheme: str = "MSINGI-ID",
    total: str | None = None,
    in_account: bool = True,
    day: str = "2026-01-31",
) -> bytes:
    """A payment file: `lines` are (end-to-end id, identity number, amount as text)."""
    from decimal import Decimal

    total = total or str(sum(Decimal(amount) for _, _, amount in lines))
    made = []
    for end_to_end, number, amount in lines:
        other = f"<Id><Othr><Id>{number}</Id><SchmeNm><Prtry>{scheme}</Prtry></SchmeNm></Othr></Id>"
        private = f"<Id><PrvtId>{other[4:-5]}</PrvtId></Id>"
        payee = (
            f"<Cdtr><Nm>Somebody</Nm></Cdtr><CdtrAcct>{other}</CdtrAcct>" if in_account else f"<Cdtr>{private}</Cdtr>"
        )
        made.append(
            f"<CdtTrfTxInf><PmtId><InstrId>I-{end_to_end}</InstrId><EndToEndId>{end_to_end}</EndToEndId></PmtId>"
            f'<Amt><InstdAmt Ccy="{currency}">{amount}</InstdAmt></Amt>{payee}'
            f"<RmtInf><Ustrd>Cash transfer, January</Ustrd></RmtInf></CdtTrfTxInf>"
        )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"><CstmrCdtTrfInitn>
<GrpHdr><MsgId>{message}</MsgId><CreDtTm>2026-01-31T08:00:00Z</CreDtTm><NbOfTxs>{len(lines)}</NbOfTxs>
<CtrlSum>{total}</CtrlSum><InitgPty><Nm>Ministry</Nm></InitgPty></GrpHdr>
<PmtInf><PmtInfId>B-1</PmtInfId><PmtMtd>TRF</PmtMtd><NbOfTxs>{len(lines)}</NbOfTxs><CtrlSum>{total}</CtrlSum>
<ReqdExctnDt><Dt>{day}</Dt></ReqdExctnDt><Dbtr><Nm>Ministry</Nm></Dbtr>
<DbtrAcct><Id><Othr><Id>{payer}</Id></Othr></Id></DbtrAcct><DbtrAgt><FinInstnId><Othr><Id>NOTPROVIDED</Id></Othr>
</FinInstnId></DbtrAgt>{"".join(made)}</PmtInf></CstmrCdtTrfInitn></Document>""".encode()


async def a_person(stack: Stack) -> PersonId:
    """A person id with a key, so that records about it can be sealed."""
    person = PersonId(uuid7())
    permit = policy.decide(job_context("payments-writer"), "payments.reread-ledger", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        await stack.seal.create_key(tx, person)
        log.append(tx, permit, subject=person)
    return person


def as_person(person: PersonId, assurance: int = 2, purpose: str = "payment", name: str = "Asha Mrema") -> Context:
    """The context of a person who is signed in."""
    return context(Actor(Kind.PERSON, str(person), assurance=assurance, name=name), purpose, "contract")


def as_staff(*roles: str, id: str = "staff-1", institution: str = "hazina", purpose: str = "payment") -> Context:
    """The context of an official who is signed in with two factors."""
    actor = Actor(Kind.STAFF, id, institution, frozenset(roles), 2, f"Official {id}")
    return context(actor, purpose, "public-task")


async def treasury(
    stack: Stack, amount_minor: int = 10**12, institution: str = "hazina", currency: str = ""
) -> Account:
    """A government account with money from the issuing side."""
    currency = currency or stack.profile.currency.code
    issuing = [a for a in await acts.accounts(stack, as_staff("treasurer", institution="benki-kuu"))]
    if not any(a.currency == currency for a in issuing):
        await acts.open_account(stack, SAMPLE, "benki-kuu", AccountKind.ISSUE, currency=currency)
    account = await acts.open_account(stack, SAMPLE, institution, AccountKind.GOVERNMENT, currency=currency)
    await acts.issue(stack, SAMPLE, IssueOrder(f"start-{account.number}", account.number, amount_minor))
    return account


async def wallet(stack: Stack, person: PersonId, amount_minor: int = 0, source: Account | None = None) -> Account:
    """A wallet with money."""
    account = await acts.open_account(stack, as_person(person), person, AccountKind.WALLET)
    if amount_minor:
        assert source is not None
        paid = order(stack, "institution:hazina", source.number, account.number, amount_minor)
        (ending,) = await acts.ledger.post(stack, [paid])
        assert not ending.reason
    return account


def order(
    stack: Stack,
    holder: str,
    payer: str,
    payee: str,
    amount: int,
    *,
    id: UUID | None = None,
    currency: str = "",
    reference: str = "",
) -> Order:
    """An order as it enters the writer; `holder` is "person:<id>" or "institution:<code>"."""
    id = id or uuid7()
    debit, credit = rules.id_of(payer), rules.id_of(payee)
    currency = currency or stack.profile.currency.code
    hashed = rules.body_hash(id, debit, credit, amount, currency, "P2P", reference)
    permit = policy.decide(job_context("payments-file-runner"), "payments.pay-line", policy.NOBODY)
    owner = rules.owner_ref(stack.keys.mac("blind", "payments"), holder)
    return Order(
        *(id, owner, debit, credit, amount, currency, "P2P", hashed, permit, parties.permit_text(permit), reference)
    )


async def owner_does(owner_url: str, statement: str, *args: object) -> list[asyncpg.Record]:
    """Run a statement as the database's superuser."""
    conn = await asyncpg.connect(owner_url)
    try:
        return await conn.fetch(statement, *args)
    finally:
        await conn.close()


def today(stack):
    """The country's day, which is another than Greenwich's for some hours."""
    from msingi.payments.groups import mandates

    return mandates.today(stack)


def clock_now():
    """The stack's present instant."""
    from msingi.kernel import clock

    return clock.now()
