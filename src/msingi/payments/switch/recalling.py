"""Recalls: the payer's participant asks for a payment back (camt.056), and the payee's answers (camt.029).

FSPIOP has no message for it, so the resource stands in the ISO 20022 flavour alone, where the standard has one. The
switch passes both on byte for byte; it checks that there was such a payment, and that its payer's participant asks its
payee's. The money itself comes back as a transfer of its own: a quote with the scenario REFUND, and a transfer. Who
does not answer within the days of the scheme stands in the list of whoever runs the switch.
"""

from datetime import datetime, timedelta

from msgspec import Struct

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Context
from msingi.kernel.errors import Malformed
from msingi.kernel.stack import Stack
from msingi.payments.fraud import rulebook
from msingi.payments.switch import cancelling, errors, moving, roll, rules, store_recalls, talking
from msingi.payments.switch.model import Message, State

ANSWER_DAYS = 10  # where the country says nothing of recalls
MAX_PAGE = 100


class Recalled(Struct, frozen=True):
    """A recall as whoever runs the switch sees it: no customer's name, no words. `answer` is empty while nobody has
    answered, else a code of camt.029; amounts are minor units."""

    recall_id: str
    transfer_id: str
    asker: str
    asked: str
    amount_minor: int
    currency: str
    digits: int
    reason: str
    asked_at: datetime
    due_at: datetime
    answer: str
    answered_at: datetime | None
    late: bool


def answer_days(stack: Stack) -> int:
    """Within how many days a participant answers, as the country says."""
    book = rulebook.of(stack)
    return book.recalls.answer_days if book and book.recalls else ANSWER_DAYS


async def ask(stack: Stack, ctx: Context, message: Message) -> None:
    """Pass a request on to the participant that was paid. The same request again is passed on again.

    Raises BadSyntax, MissingElement, UnknownId where there was no such payment between the two, Modified.
    """
    wanted = cancelling.request(message.body)
    if wanted.asker != message.source:
        raise errors.BadSyntax("A participant asks for itself.", field="Assgnr", rule="Assgnr=FSPIOP-Source")
    paid = await moving.found(stack, wanted.transfer_id)
    if (paid.payer, paid.payee, paid.state) != (message.source, wanted.asked, State.COMMITTED):
        raise errors.UnknownId(field="OrgnlTxId", rule="paid-by-source")
    digits = rules.settled_in((await roll.of(stack)).currencies, paid.currency).digits
    if (rules.minor(wanted.amount, digits), wanted.currency) != (paid.amount_minor, paid.currency):
        raise errors.BadSyntax("The amount is another one.", field="OrgnlIntrBkSttlmAmt", rule="as-paid")
    permit = policy.decide(ctx, "payments.switch-message", policy.NOBODY)
    now = clock.now()
    async with stack.db.transaction(permit) as tx:
        due = now + timedelta(days=answer_days(stack))
        if not await store_recalls.begin(tx, wanted, paid, now, due):
            raise errors.Modified("This payment is asked back under another id.", field="Assgnmt.Id", rule="once")
        log.append(tx, permit, detail={"what": "a payment asked back", "of": paid.payee})
    await talking.ask(stack, ctx, message, rules.RECALLS, wanted.id, paid.payee)


async def answer(stack: Stack, ctx: Context, message: Message, id_: str, *, failure: bool) -> None:
    """Pass an answer on to whoever asked, and note it: the first one that is no "being asked" counts.

    Raises BadSyntax, MissingElement, UnknownId (law 6).
    """
    told = "" if failure else cancelling.answer(message.body).answer
    await talking.answer(stack, ctx, message, rules.RECALLS, id_, failure=failure)
    if told:
        permit = policy.decide(ctx, "payments.switch-message", policy.NOBODY)
        async with stack.db.transaction(permit) as tx:
            await store_recalls.answer(tx, id_, told, clock.now())
            log.append(tx, permit, detail={"what": "a recall answered", "how": told})


async def see_recalls(stack: Stack, ctx: Context, *, late: bool = False, limit: int = 50) -> list[Recalled]:
    """The recalls between participants: with `late` those that should have been answered, the oldest first; else the
    newest first. Raises Malformed."""
    if not 1 <= limit <= MAX_PAGE:
        raise Malformed(f"A page has 1 to {MAX_PAGE} recalls.", field="limit", rule=f"1..{MAX_PAGE}")
    permit = policy.decide(ctx, "payments.switch-read", policy.NOBODY, own_account=False)
    digits = {one.currency: one.digits for one in (await roll.of(stack)).currencies}
    async with stack.db.transaction(permit) as tx:
        rows = await store_recalls.seen(tx, ctx.at, late, limit)
        log.append(tx, permit, detail={"what": "recalls between participants", "count": len(rows)})
    return [
        Recalled(
            row["id"], row["transfer"], row["asker"], row["asked"], row["amount"], row["currency"],
            digits.get(row["currency"], 2), row["reason"], row["asked_at"], row["due_at"], row["answer"],
            row["answered_at"], row["answer"] in ("", cancelling.PENDING) and row["due_at"] < ctx.at,
        )
        for row in rows
    ]  # fmt: skip
