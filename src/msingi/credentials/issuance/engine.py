"""The one engine that signs copies: whatever the form, the same facts, one status entry each, many orders at a time.

Orders that arrive while a transaction is under way wait for the next one and share it: one round of statements, one
leaf in the log, one commit for all of them. Each keeps its own permit and its own record. One transaction at a time:
a second one beside it would only make both smaller (docs/decisions/0053).
"""

import asyncio
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import msgspec

from msingi.credentials import publish
from msingi.credentials.forms import jose, mdoc, sdjwt, vcjwt
from msingi.credentials.forms.model import Draft, Format, StatusPlace
from msingi.credentials.issuance import certificates, facts, kinds, rules, store
from msingi.credentials.issuance.errors import InvalidNonce
from msingi.credentials.issuance.model import Copies, CopyOrder, Holding, Kind
from msingi.credentials.issuance.places import pool
from msingi.credentials.model import Place
from msingi.kernel import clock, log
from msingi.kernel.db import Tx
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.policy import Permit
from msingi.kernel.stack import Stack

FACTS = "credentials.facts"
MOST_AT_ONCE = 48


class Stale(Exception):
    """The facts must be read from the register first; the nonces of the order have been used up already."""


class Waiting(NamedTuple):
    """An order in the queue, its permit, its kind, and who waits for it."""

    permit: Permit
    order: CopyOrder
    kind: Kind
    done: "asyncio.Future[Copies]"


class Line:
    """The queue of orders of one process."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._waiting: list[Waiting] = []
        self._at_work: asyncio.Task[None] | None = None

    async def sign(self, permit: Permit, order: CopyOrder, kind: Kind) -> Copies:
        """The signed copies, once they are durable. Raises what the order deserves, and Stale."""
        done: asyncio.Future[Copies] = asyncio.get_running_loop().create_future()
        self._waiting.append(Waiting(permit, order, kind, done))
        if self._at_work is None or self._at_work.done():
            self._at_work = asyncio.create_task(self._work())
        return await done

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            await self._together(batch)

    async def _together(self, batch: list[Waiting]) -> None:
        try:
            outcomes = await _sign_many(self._stack, batch)
        except Exception as failure:
            if len(batch) > 1 and not isinstance(failure, Outage):  # one order must not spoil its neighbours'
                for one in batch:
                    await self._together([one])
                return
            outcomes = [failure] * len(batch)
        for one, outcome in zip(batch, outcomes, strict=True):
            if one.done.done():
                continue
            if isinstance(outcome, Exception):
                one.done.set_exception(outcome)
            else:
                one.done.set_result(outcome)


def line(stack: Stack) -> Line:
    """The queue of this process."""
    known: Any = stack.local.get("credentials.line")
    if known is None:
        known = stack.local["credentials.line"] = Line(stack)
    return known


async def _sign_many(stack: Stack, batch: list[Waiting]) -> list[Copies | Exception]:
    """What became of each order, in order. One transaction."""
    places = await pool(stack).take(sum(len(one.order.holders) for one in batch))
    outcomes: list[Copies | Exception] = []
    signed: list[tuple[Holding, Place, Format, date]] = []
    async with stack.db.transaction(batch[0].permit, *(one.permit for one in batch[1:])) as tx:
        fresh = await _claimed(tx, {nonce: until for one in batch for nonce, until in one.order.nonces})
        pairs = [(one.order.person_id, one.order.kind) for one in batch]
        held = await store.live_holdings(tx, pairs)
        await stack.seal.fetch(tx, {person for person, _ in held if not stack.seal.remembers(person)})
        for one, pair in zip(batch, pairs, strict=True):
            mine = [places.pop() for _ in one.order.holders]
            outcome = await _outcome(stack, tx, one, _meant(one.order, held.get(pair, [])), fresh, mine, signed)
            outcomes.append(outcome)
            log.append(tx, one.permit, subject=one.order.person_id, detail=_told(one, outcome))
        if signed:
            store.add_copies(tx, signed)
    return outcomes


def _told(one: Waiting, outcome: Copies | Exception) -> dict[str, str | int | bool]:
    """What the holder's log says of the order."""
    detail: dict[str, str | int | bool] = {"kind": one.kind.kind, "format": one.order.form.value}
    if one.order.client:
        detail["to"] = one.order.client
    if isinstance(outcome, Copies):
        return detail | {"copies": len(outcome.credentials)}
    rule = outcome.facts.get("rule", "") if isinstance(outcome, Refusal) else "facts are read first"
    return detail | {"copies": 0, "because": str(rule)}


async def use_up(tx: Tx, nonces: tuple[tuple[bytes, int], ...]) -> None:
    """Use the nonces of one order up. Raises InvalidNonce if one was used before (law 4)."""
    if len(await _claimed(tx, dict(nonces))) < len(nonces):
        raise InvalidNonce("The nonce was used before.", rule="used once")


async def _claimed(tx: Tx, nonces: dict[bytes, int]) -> set[bytes]:
    """Those of the nonces that had not been used; sorted, so that two transactions never wait for each other."""
    if not nonces:
        return set()
    return await store.claim_nonces(tx, {n: datetime.fromtimestamp(until, UTC) for n, until in sorted(nonces.items())})


def _meant(order: CopyOrder, found: list[tuple[Holding, bytes]]) -> tuple[Holding, bytes] | None:
    """The holding that the order names, or the newest; None if it was ended or replaced."""
    named = [pair for pair in found if order.holding_id in (None, pair[0].holding_id)]
    return named[-1] if named else None


async def _outcome(
    stack: Stack,
    tx: Tx,
    one: Waiting,
    found: tuple[Holding, bytes] | None,
    fresh: set[bytes],
    places: list[Place],
    signed: list[tuple[Holding, Place, Format, date]],
) -> Copies | Exception:
    order = one.order
    if not all(nonce in fresh for nonce, _ in order.nonces):
        return InvalidNonce("The nonce was used before.", rule="used once")
    fresh.difference_update(nonce for nonce, _ in order.nonces)
    if (found is None and one.kind.open and order.holding_id is None) or (found and found[0].stale):
        return Stale()
    try:
        holding = rules.may_copy(found and found[0], clock.today())
    except Refusal as refusal:
        return refusal
    assert found is not None
    plain = await stack.seal.unseal(tx, order.person_id, found[1], FACTS)
    starts, ends, last = rules.copy_life(one.kind, holding, clock.today())
    draft = Draft(
        issuer=stack.settings.url,
        issuer_name=certificates.subject(stack).organisation,
        facts=facts.drafted(one.kind, msgspec.msgpack.decode(plain)),
        starts=starts,
        ends=ends,
        status=StatusPlace("", 0),
        holder=None,
        vct=kinds.vct(stack, one.kind),
        doctype=one.kind.doctype,
        types=one.kind.types,
        decoys=sum(claim.hidden for claim in one.kind.claims),
    )
    made = []
    for holder, place in zip(order.holders, places, strict=True):
        status = StatusPlace(publish.list_uri(stack, place.list_id), place.index)
        made.append(write(stack, order.form, msgspec.structs.replace(draft, status=status, holder=holder)))
        signed.append((holding, place, order.form, last))
    return Copies(holding.holding_id, tuple(made))


def write(stack: Stack, form: Format, draft: Draft) -> str:
    """A draft in a form, as OpenID4VCI carries it."""
    issuer = certificates.issuer(stack)
    if form is Format.SD_JWT:
        return sdjwt.issue(draft, issuer.signer, issuer.sd_jwt_header)
    if form is Format.VC_JWT:
        return vcjwt.issue(draft, issuer.signer, issuer.vc_header)
    return jose.b64(mdoc.issue(draft, issuer.signer, issuer.certificate))
