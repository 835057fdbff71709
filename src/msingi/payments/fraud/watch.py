"""What stands at the gate: remembers who paid whom lately, and weighs each order of a customer on that memory.

The ordinary order costs a look into two dictionaries and no round trip. Who is not in memory paid nobody since the
memory began; only for the time before it, and only where the ledger's own memory says that the account paid lately,
the journal is read. What was admitted counts at once, so that two orders at the same time do not both pass a bound.
"""

from collections.abc import Sequence

from msingi.kernel import clock, log, policy
from msingi.kernel.context import Kind as Actor
from msingi.kernel.errors import Refusal
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack
from msingi.payments import gate, parties, writer
from msingi.payments import rules as ledger
from msingi.payments.book import micros
from msingi.payments.fraud import rulebook, rules, stopping, store
from msingi.payments.fraud.model import Answer, Came, Facts, Paid, Rulebook
from msingi.payments.fraud.model import Kind as RuleKind
from msingi.payments.model import Kind, Order

KEPT = 50_000  # holders in each half of the memory
DAY_US = 86_400 * rules.SECOND_US
JOBS = frozenset(("payments.run-standing",))  # orders that a job gives in a customer's name
_LEAVING = frozenset((int(Kind.POST), int(Kind.RESERVE)))
_NOBODY: frozenset[str] = frozenset()
_PERSON = Actor.PERSON  # to be found in one step


class Watch:
    """The memory of one program, and the rules in force."""

    def __init__(self, stack: Stack, book: Rulebook) -> None:
        self._stack = stack
        self.book = book
        self._exempt = frozenset(book.exempt)
        self._ease = rules.ease(book.rules)
        self._horizon_us = rules.horizon_us(book.rules)
        self._kept = rulebook.MOST
        self._strange_from = rules.strangers_from(book.rules)
        self._noted_from = rules.noted_from(book.rules)
        self._through_us = rules.horizon_us([rule for rule in book.rules if rule.kind is RuleKind.THROUGH])
        self._paid: dict[int, list[Paid]] = {}  # by holder
        self._paid_older: dict[int, list[Paid]] = {}
        self._came: dict[int, list[Came]] = {}  # by account
        self._came_older: dict[int, list[Came]] = {}
        self.watched: dict[int, dict[str, int]] = {}  # by holder: the reason, and until when
        self._whole_from_us = clock.now_us()  # since when nobody who paid has been forgotten

    # -- what the gate asks -------------------------------------------------------------------------------------

    def concerned(self, chains: Sequence[Sequence[Order]]) -> bool:
        """Whether any of these is an order of a customer; orders that came together mostly share one permit."""
        last: Permit | None = None
        for chain in chains:
            for order in chain:
                if order.permit is not last:
                    last = order.permit
                    if last is not None and self._weighs(last):
                        return True
        return False

    def _weighs(self, permit: Permit) -> bool:
        act = permit.act
        if permit.context.actor.kind is _PERSON:
            return act not in self._exempt or act in JOBS
        return act in JOBS

    def passes(self, order: Order) -> bool:
        """Admit at once an order of which nothing must be looked up and no rule can speak (`rules.is_light`): nearly
        all are like that. False: nothing was counted, `admit` weighs it."""
        permit, owner, amount = order.permit, order.owner, order.amount
        if permit is None or order.kind not in _LEAVING or not self._weighs(permit):
            return True
        if owner in self.watched or amount > self._strange_from:
            return False
        if (self._came or self._came_older) and self._arrived(order.debit):
            return False
        paid, now = self._paid.get(owner) or self._known(owner), clock.now_us()
        if paid is None:
            if not self._needs_no_look(order, now):
                return False
            paid = []
        if paid:
            if not rules.is_light(self._ease, amount, paid):
                return False
            this = order.id
            for past in paid:
                if past[3] == this:
                    return True  # a repetition, which the ledger answers with the first receipt
        elif not rules.is_light(self._ease, amount, ()):
            return False
        self._note(order, paid, now)
        return True

    async def admit(self, chain: Sequence[Order]) -> Refusal | None:
        """Weigh a chain: None, and it counts as sent; or the Refusal that its payer gets."""
        for place, order in enumerate(chain):
            if order.kind in _LEAVING and order.permit is not None and self._weighs(order.permit):
                refused = await self._admit(order)
                if refused is not None:
                    self.settle(chain[:place], False)
                    return refused
        return None

    async def _admit(self, order: Order) -> Refusal | None:
        now = clock.now_us()
        paid = self._known(order.owner)
        if paid is None:
            paid = await self._remembered(order, now)
        stranger = order.amount > self._strange_from and await self._is_stranger(order, paid)
        # From here on nothing waits: what is weighed is what counts.
        for past in paid:
            if past.id == order.id:
                return None  # a repetition, which the ledger answers with the first receipt
        since = now - self._horizon_us
        if paid and paid[0].at_us <= since:
            del paid[: rules.recent(paid, since)]
        facts = Facts(
            now, order.amount, order.credit, paid, self._arrived(order.debit), self._reasons(order, now), stranger
        )
        verdict = rules.ALLOW if rules.is_easy(self._ease, facts) else rules.weigh(self.book.rules, facts)
        if verdict.answer is Answer.ALLOW:
            self._note(order, paid, now)
            return None
        refused = await stopping.stop(self._stack, self.book, order, verdict)
        if refused is None:  # an officer let it go, or it was paid before this memory began
            self._note(order, self._known(order.owner) or paid, now)
        return refused

    def settle(self, chain: Sequence[Order], posted: bool) -> None:
        """An admitted chain has ended; what was not paid does not count, what was paid has arrived with somebody."""
        for order in chain:
            if order.kind not in _LEAVING or order.permit is None or not self._weighs(order.permit):
                continue
            if not posted:
                self._forget(order)
            elif self._noted_from and order.amount >= self._noted_from and order.kind == Kind.POST:
                self._arrive(order)

    def settle_one(self, order: Order, posted: bool) -> None:
        """As `settle` for an order that stands alone: one that was paid, and that no rule notes, needs nothing."""
        if not posted or 0 < self._noted_from <= order.amount:
            self.settle((order,), posted)

    # -- the memory ---------------------------------------------------------------------------------------------

    def _known(self, owner: int) -> list[Paid] | None:
        found = self._paid.get(owner)
        if found is None and (found := self._paid_older.pop(owner, None)) is not None:
            self._paid[owner] = found
        return found

    def _note(self, order: Order, paid: list[Paid], now: int) -> None:
        paid.append(Paid(now, order.amount, order.credit, order.id))
        if len(paid) > self._kept:
            del paid[0]
        self._paid[order.owner] = paid
        if len(self._paid) >= KEPT:
            if self._paid_older:
                self._whole_from_us = now
            self._paid_older, self._paid = self._paid, {}

    def _forget(self, order: Order) -> None:
        paid = self._known(order.owner)
        if paid:
            paid[:] = [past for past in paid if past.id != order.id]

    def _arrive(self, order: Order) -> None:
        came = self._came.get(order.credit) or self._came_older.pop(order.credit, None) or []
        came.append(Came(clock.now_us(), order.amount, order.owner))
        del came[: -self._kept]
        self._came[order.credit] = came
        if len(self._came) >= KEPT:
            self._came_older, self._came = self._came, {}

    def _arrived(self, account: int) -> list[Came]:
        return self._came.get(account) or self._came_older.get(account) or []

    async def _remembered(self, order: Order, now: int) -> list[Paid]:
        """What somebody paid of whom this memory knows nothing. Whoever is asked for twice gets one list."""
        if self._needs_no_look(order, now):
            return self._paid.setdefault(order.owner, [])
        paid, came = await stopping.history(self._stack, order, now - self._horizon_us, self._kept)
        known = self._known(order.owner)
        if known is None:
            self._paid[order.owner] = known = paid
            if came and order.debit not in self._came and order.debit not in self._came_older:
                self._came[order.debit] = [past for past in came if past.amount >= self._noted_from > 0]
        return known

    def _needs_no_look(self, order: Order, now: int) -> bool:
        """Whether somebody of whom this memory knows nothing certainly paid nobody within the horizon."""
        return now - self._horizon_us >= self._whole_from_us or self._quiet(order, now)

    def _quiet(self, order: Order, now: int) -> bool:
        """Whether the ledger's own memory says that this account paid nobody within the horizon.

        Large amounts are looked up all the same, because who paid in stands in the journal only.
        """
        if self._noted_from and order.amount >= self._noted_from and now - self._whole_from_us < self._through_us:
            return False
        last = writer.of(self._stack, ledger.shard_of(order.debit)).last_day(order.debit)
        return last is not None and last < (now - self._horizon_us) // DAY_US

    async def _is_stranger(self, order: Order, paid: Sequence[Paid]) -> bool:
        if any(past.payee == order.credit for past in paid):
            return False
        return not await stopping.paid_before(self._stack, order)

    # -- who is watched -----------------------------------------------------------------------------------------

    def _reasons(self, order: Order, now: int) -> frozenset[str]:
        reasons = self.watched.get(order.owner)
        if not reasons:
            return _NOBODY
        return frozenset(why for why, until_us in reasons.items() if not until_us or until_us > now)

    def look_at(self, owner: int, why: str, until_us: int) -> None:
        """Watch a holder for a reason, until an instant (0: until it is ended)."""
        self.watched.setdefault(owner, {})[why] = until_us

    def look_away(self, owner: int, why: str) -> None:
        """Watch a holder for this reason no longer."""
        if reasons := self.watched.get(owner):
            reasons.pop(why, None)
            if not reasons:
                del self.watched[owner]


def of(stack: Stack) -> Watch | None:
    """The watch at the stack's gate, if the country has rules."""
    found = gate.of(stack)
    return found if isinstance(found, Watch) else None


async def reload(stack: Stack) -> None:
    """Watch exactly those whom the database says are watched."""
    watching = of(stack)
    if watching is None:
        return
    permit = policy.decide(stopping.job(), "payments.watch-person", policy.ANYONE)
    async with stack.db.transaction(permit) as tx:
        found = await store.watched(tx, clock.now())
        log.append(tx, permit, detail={"what": "who is watched", "count": len(found)})
    watching.watched = {}
    for person_id, why, until in found:
        watching.look_at(parties.person_ref(stack, person_id), why, micros(until) if until else 0)
