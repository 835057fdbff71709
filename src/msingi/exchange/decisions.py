"""Deciding messages, many in one transaction. Part of the acts.

While one batch is being written to disk, the messages that arrive wait for the next: the busier, the larger the batch,
and a lone message waits for nobody. Each message has its own permit and its own leaf. What rules have been made of
institutions, keys, services and rights is remembered with the edition in which it was read; the batch reads the edition
again in its own transaction, and consents always, so nothing that was ended or withdrawn is obeyed late.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from msingi.consent import acts as consents
from msingi.consent.errors import ConsentMissing, ProcessingStopped
from msingi.consent.model import Live
from msingi.exchange import rules, store
from msingi.exchange.errors import MessageSeen, PersonUnknown
from msingi.exchange.model import Call, Caller
from msingi.exchange.rules import Granted, Judgement, Page
from msingi.kernel import clock, log, policy
from msingi.kernel.context import Actor, Context, Kind
from msingi.kernel.db import Tx
from msingi.kernel.errors import Erased, Malformed, NotPermitted, Outage, Overtaken, Refusal
from msingi.kernel.ids import PersonId
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack

CHANNEL = "exchange"
MOST_IN_BATCH = 64
MOST_WAITING = 4_096
MOST_AT_ONCE = 2  # batches: a second one only while the first is slow, or has left a whole one waiting
SLOW_S = 0.05
MOST_CONSENTS = 20_000  # remembered as what to expect
PERSON_TEXT_MOST = 64
OBJECTABLE = frozenset({"contract", "public-task"})  # what a law commands, or a life depends on, goes on


class Yes(Struct, frozen=True):
    """A message may be answered: what is granted, in which context, about whom, and the record that tells of it."""

    granted: Granted
    ctx: Context
    person_id: PersonId | None
    record_id: UUID


class Case(Struct, eq=False):
    """One message on its way through a decision."""

    caller: Caller
    call: Call
    page: Page
    person_id: PersonId | None
    by_number: bool
    waiting: "asyncio.Future[Yes]"
    judgement: Judgement
    permit: Permit | None = None


class Shelf(Struct):
    """A page of the book with the yeses that it gave."""

    page: Page
    known: dict[tuple[object, ...], Granted]


def client_actor(caller: Caller) -> Actor:
    """The actor that an institution's software is in every act that it asks for."""
    return Actor(Kind.CLIENT, caller.subsystem, caller.institution, frozenset(), 2, caller.name)


class Docket:
    """The messages that wait for a decision, and what is remembered of the rules; one for each running stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.waiting: deque[Case] = deque()
        self.at_work = 0
        self.began = 0.0
        self.expected: dict[tuple[object, ...], Live] = {}  # consents as they were found last
        self.book: dict[tuple[str, str], Shelf] = {}
        self.actors: dict[str, Actor] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    async def decide(self, caller: Caller, call: Call) -> Yes:
        """The decision about a message, recorded and on disk (law 5).

        Raises the reason of a no, which was recorded too; Outage when too many messages wait.
        """
        if len(self.waiting) >= MOST_WAITING:
            raise Outage("too many messages wait for a decision", retry_after_s=1)
        page = await self._page(call)
        person_id, by_number = await self._person_named(caller, call)
        judgement = self._judge(call, page, person_id is not None, by_number)
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Yes] = loop.create_future()
        self.waiting.append(Case(caller, call, page, person_id, by_number, waiting, judgement))
        late = len(self.waiting) >= MOST_IN_BATCH or loop.time() > self.began + SLOW_S
        if self.at_work == 0 or (late and self.at_work < MOST_AT_ONCE):
            self.at_work += 1
            task = asyncio.create_task(self._work())
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        return await waiting

    async def _page(self, call: Call) -> Page:
        key = (call.client, call.service)
        shelf = self.book.get(key)
        if shelf is None:
            async with self.stack.db.reading("exchange") as tx:
                shelf = self._shelve(key, await store.page_now(tx, *key, clock.now()))
        return shelf.page

    def _shelve(self, key: tuple[str, str], page: Page) -> Shelf:
        if len(self.book) > 10_000:
            self.book.clear()
        shelf = self.book[key] = Shelf(page, {})
        return shelf

    async def _person_named(self, caller: Caller, call: Call) -> tuple[PersonId | None, bool]:
        """Whom the call names, and whether by number; None when nobody is, or nobody is found."""
        if not call.person or len(call.person) > PERSON_TEXT_MOST:
            return None, False
        try:
            return self.stack.pseudonym.person(caller.institution, call.person), False
        except Malformed:
            pass
        try:
            ctx = self._context(caller, call, call.basis or rules.UNSTATED, clock.now())
            return await consents.person_by_number(self.stack, ctx, call.person), True
        except Refusal:  # malformed, unknown or out of use: the asker does not learn which
            return None, True

    def _judge(self, call: Call, page: Page, person_known: bool, by_number: bool) -> Judgement:
        """What the page says of the call; a yes is remembered for as long as the page and the right last."""
        shelf = self.book.get((call.client, call.service))
        if shelf is None or shelf.page is not page:
            return rules.judge(call, page, person_known, clock.now(), by_number)
        named = (call.owner, call.method, call.path, by_number, person_known)
        key = (call.kid, call.tls_kid, call.purpose, call.basis, call.fields, *named)
        known = shelf.known.get(key)
        if known is not None and (known.right.until is None or known.right.until > clock.now()):
            return Judgement(known.right.basis, known)
        made = rules.judge(call, page, person_known, clock.now(), by_number)
        if made.granted is not None:
            if len(shelf.known) >= 1_000:
                shelf.known.clear()
            shelf.known[key] = made.granted
        return made

    def _context(self, caller: Caller, call: Call, basis: str, now: datetime) -> Context:
        actor = self.actors.get(caller.kid)
        if actor is None:
            if len(self.actors) > 10_000:
                self.actors.clear()
            actor = self.actors[caller.kid] = client_actor(caller)
        return Context(actor, call.purpose, basis, call.message_id, now, CHANNEL)

    def _permit(self, case: Case, now: datetime) -> Permit:
        """The permit to record what the judgement says, on the person's rows, or nobody's."""
        ctx = self._context(case.caller, case.call, case.judgement.basis, now)
        subject = policy.NOBODY if case.person_id is None else case.person_id
        if case.judgement.refusal is None:
            try:
                return policy.decide(ctx, "exchange.answered", subject)
            except NotPermitted as no:
                case.judgement.refusal = no
        return policy.decide(ctx, "exchange.refused", subject)

    async def _work(self) -> None:
        """Decide what waits, batch by batch, until nothing does."""
        loop = asyncio.get_running_loop()
        try:
            while self.waiting:
                batch = self._next_batch()
                self.began = loop.time()
                try:
                    if not await self._at_once(batch):
                        await self._sit(batch)
                except Exception as failure:
                    await self._alone(batch, failure)
        finally:
            self.at_work -= 1

    def _next_batch(self) -> list[Case]:
        """The next cases; a message id that is in the batch already waits for the one after."""
        batch: dict[tuple[str, str], Case] = {}
        later: list[Case] = []
        while self.waiting and len(batch) < MOST_IN_BATCH:
            case = self.waiting.popleft()
            key = (case.call.client, case.call.message_id)
            if key in batch:
                later.append(case)
            else:
                batch[key] = case
        self.waiting.extendleft(reversed(later))
        return list(batch.values())

    async def _alone(self, batch: list[Case], failure: Exception) -> None:
        """One case must not hurt the others: each is decided alone, unless the database is away."""
        for case in batch:
            if case.waiting.done():
                continue
            try:
                # Erased: a key that was remembered has gone; the second time it is looked for, and not found.
                if isinstance(failure, Outage) or (len(batch) == 1 and not isinstance(failure, Erased)):
                    raise failure
                case.judgement = self._judge(case.call, case.page, case.person_id is not None, case.by_number)
                await self._sit([case])
            except Exception as own:
                if not case.waiting.done():
                    case.waiting.set_exception(own)

    async def _at_once(self, batch: list[Case]) -> bool:
        """Decide a batch in one message to the database, where all that it rests on is remembered: the transaction
        itself claims, reads the edition, consents and objections, and is given up unless they are as expected. False
        then, and where something is not remembered: nothing was done."""
        permits = self._permits(batch)
        expected = self._expected(batch)
        if expected is None:
            return False
        try:
            async with self.stack.db.transaction(permits[0], *permits[1:]) as tx:
                store.expect(tx, expected, clock.now())
                ended = [(c, self._leave(tx, c, consent)) for c, consent in zip(batch, expected.rests_on, strict=True)]
        except (Overtaken, Erased):
            return False
        _tell(ended)
        return True

    def _expected(self, batch: list[Case]) -> store.Expected | None:
        """What a batch rests on, as far as it is remembered; None if not all of it is."""
        found, now = store.Expected(batch[0].page.edition), clock.now()
        for case in batch:
            call, person_id, rests_on = case.call, case.person_id, ""
            if case.page.edition != found.edition:
                return None
            if person_id is not None and not self.stack.seal.remembers(person_id):
                return None
            granted = case.judgement.granted
            if granted is not None and _by_consent(case):
                fields = _consent_fields(call.service, granted.fields)
                live = self.expected.get((person_id, case.caller.institution, call.purpose, fields))
                if live is None or person_id is None or live.expires_at <= now:
                    return None
                found.people.append(person_id)
                found.epochs.append(live.epoch)
                rests_on = str(live.consent_id)
            if person_id is not None and _is_objectable(case):
                found.objectable.append((person_id, case.caller.institution, call.purpose))
            found.clients.append(call.client)
            found.messages.append(call.message_id)
            found.rests_on.append(rests_on)
        return found

    def _permits(self, batch: list[Case]) -> list[Permit]:
        now = clock.now()  # one moment for all of them, as there is one transaction
        for case in batch:
            case.permit = self._permit(case, now)
        return [case.permit for case in batch if case.permit is not None]

    async def _sit(self, batch: list[Case]) -> None:
        """Decide a batch in one transaction: each case with its permit and its leaf (laws 1 to 5)."""
        permits = self._permits(batch)
        ended: list[tuple[Case, Yes | Refusal]] = []
        async with self.stack.db.transaction(permits[0], *permits[1:]) as tx:
            messages = [(case.call.client, UUID(case.call.message_id)) for case in batch]
            edition, fresh = await store.claim_messages(tx, messages, clock.now())
            await self._renew(tx, [case for case in batch if case.page.edition != edition])
            for case, message in zip(batch, messages, strict=True):
                if message not in fresh and case.judgement.refusal is None:
                    case.judgement.refusal = MessageSeen()
            erased = await self.stack.seal.without_key(tx, [c.person_id for c in batch if c.person_id is not None])
            for case in batch:
                if case.person_id in erased:  # nobody behind this pseudonym, or not any more
                    self._is_nobody(case)
            found = await self._consents(tx, batch)
            for case in batch:
                ended.append((case, self._leave(tx, case, found.get(id(case), ""))))
        _tell(ended)

    async def _renew(self, tx: Tx, cases: Iterable[Case]) -> None:
        """Weigh cases again on what is in force now."""
        pages: dict[tuple[str, str], Page] = {}
        for case in cases:
            key = (case.call.client, case.call.service)
            if key not in pages:
                pages[key] = self._shelve(key, await store.page_now(tx, *key, clock.now())).page
            case.page = pages[key]
            case.judgement = self._judge(case.call, case.page, case.person_id is not None, case.by_number)

    def _is_nobody(self, case: Case) -> None:
        case.person_id = None
        basis, granted = case.judgement.basis, case.judgement.granted
        if case.judgement.refusal is None:
            by_consent = granted is not None and granted.needs_consent
            case.judgement = Judgement(basis, refusal=ConsentMissing() if by_consent else PersonUnknown())

    async def _consents(self, tx: Tx, batch: list[Case]) -> dict[int, str]:
        """The consents on which cases rest (law 3); those that need one and have none are refused."""
        asked: list[Case] = []
        asks: list[tuple[PersonId, str, str, tuple[str, ...]]] = []
        for case in batch:
            granted = case.judgement.granted
            if granted is None or not _by_consent(case):
                continue
            if case.person_id is None:
                case.judgement.refusal = ConsentMissing()
                continue
            asked.append(case)
            fields = _consent_fields(case.call.service, granted.fields)
            asks.append((case.person_id, case.caller.institution, case.call.purpose, tuple(fields.split(" "))))
        await self._objections(tx, batch)
        live = await consents.live_consents(tx, asks)
        if len(self.expected) > MOST_CONSENTS:
            self.expected.clear()
        for number, (case, ask) in enumerate(zip(asked, asks, strict=True)):
            key = (*ask[:3], " ".join(ask[3]))
            if number in live:
                self.expected[key] = live[number]
            else:
                self.expected.pop(key, None)
                case.judgement.refusal = ConsentMissing(institution=case.caller.institution, purpose=case.call.purpose)
        return {id(asked[number]): str(one.consent_id) for number, one in live.items()}

    async def _objections(self, tx: Tx, batch: list[Case]) -> None:
        """Cases on a basis that a person can object to are refused where an objection was upheld."""
        asked = [(case, case.person_id) for case in batch if case.person_id is not None and _is_objectable(case)]
        asks = [(person_id, case.caller.institution, case.call.purpose) for case, person_id in asked]
        for number in await consents.stopped(tx, asks):
            case, _ = asked[number]
            case.judgement.refusal = ProcessingStopped(institution=case.caller.institution, purpose=case.call.purpose)

    def _leave(self, tx: Tx, case: Case, consent: str) -> Yes | Refusal:
        """Leave the leaf of a case, about the person whom it names (law 5)."""
        call, judgement = case.call, case.judgement
        permit = case.permit
        assert permit is not None
        said_yes = permit.act == "exchange.answered"
        same_person = permit.subjects == (() if case.person_id is None else (case.person_id,))
        if said_yes != (judgement.refusal is None) or permit.context.basis != judgement.basis or not same_person:
            permit = self._permit(case, permit.context.at)
            tx.instead(case.permit or permit, permit)
        what: dict[str, str | int | bool] = {"service": call.service, "owner": call.owner, "method": call.method}
        granted = judgement.granted
        if judgement.refusal is not None or granted is None:
            refusal = judgement.refusal or PersonUnknown()
            log.append(tx, permit, subject=case.person_id, detail=what | {"reason": refusal.code})
            return refusal
        what |= {"law": granted.right.law, "fields": " ".join(granted.fields)}
        if consent:
            what["consent"] = consent
        left = log.append(tx, permit, subject=case.person_id, detail=what)
        return Yes(granted, replace(permit.context, consent=consent), case.person_id, left.record_id)


def _by_consent(case: Case) -> bool:
    """Whether a yes to this case rests on a consent."""
    judgement = case.judgement
    return judgement.refusal is None and judgement.granted is not None and judgement.granted.needs_consent


def _is_objectable(case: Case) -> bool:
    """Whether a yes to this case could be stopped by an objection."""
    return case.judgement.refusal is None and case.judgement.basis in OBJECTABLE


@lru_cache(maxsize=4096)
def _consent_fields(service: str, fields: tuple[str, ...]) -> str:
    """The fields as consents name them, blank-separated."""
    return " ".join(rules.consent_fields(service, fields))


def _tell(ended: Iterable[tuple[Case, Yes | Refusal]]) -> None:
    """Tell those who wait; whoever asked and has gone away: that it was decided stands in the record."""
    for case, end in ended:
        if case.waiting.done():
            continue
        if isinstance(end, Yes):
            case.waiting.set_result(end)
        else:
            case.waiting.set_exception(end)


def docket(stack: Stack) -> Docket:
    """The docket of this stack."""
    known = stack.local.get("exchange.docket")
    if known is None:
        known = stack.local["exchange.docket"] = Docket(stack)
    assert isinstance(known, Docket)
    return known
