"""A switch with two participants, and the switch's books looked at from outside."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from msgspec.structs import replace
from tests.payments_switch.fsp import Participant, Reply, payee

from msingi.kernel import clock
from msingi.kernel.context import Context, job_context
from msingi.kernel.stack import Stack
from msingi.payments import writer
from msingi.payments.switch import acts, deciding, desk, moving, post, roll, settling, store
from msingi.payments.switch.model import Proof, Settlement, Speaks, Standing

Stepper = Callable[[], Awaitable[None]]
SETUP = "setup"


def setup() -> Context:
    """The context of an installation."""
    return job_context(SETUP)


async def participant(
    stack: Stack, client: httpx.AsyncClient | None, name: str, *, cover: int = 1_000_00, limit: int = 1_000_00,
    currency: str = "USD", reply: Reply | None = payee, proof: Proof = Proof.SIGNATURE,
    speaks: Speaks = Speaks.ANY,
) -> Participant:  # fmt: skip
    """A participant that has joined with cover and limit, and answers as a willing payee."""
    made = await Participant(name, client, reply).start()
    made.token = await acts.join(stack, setup(), name, f"inst-{name}", name, made.public, made.endpoint, proof, speaks)
    await acts.open_accounts(stack, setup(), name, currency)
    if cover:
        await settling.bring_cover(stack, setup(), name, currency, cover, f"first-{name}")
    if limit:
        await settling.set_limit(stack, setup(), name, currency, limit)
    return made


async def settles(stack: Stack, name: str, code: str, cover: int) -> None:
    """A participant settles in one more currency, with cover and a limit as high."""
    await acts.open_accounts(stack, setup(), name, code)
    await settling.bring_cover(stack, setup(), name, code, cover, f"first-{name}-{code}")
    await settling.set_limit(stack, setup(), name, code, cover)


def approved(ctx: Context) -> Context:
    """The circumstances in which a second officer has approved."""
    return replace(ctx, channel=deciding.CHANNEL)


def later(monkeypatch: Any, seconds: float) -> None:
    """Let the clock be so much later from now on, counted from the real time."""
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + timedelta(seconds=seconds))


async def swept(stack: Stack) -> None:
    """Let the ledger free the holds whose time is over."""
    await writer.of(stack, 0).expire()


async def known(stack: Stack, id_: str) -> Any:
    """A transfer or conversion as the database has it; None if nothing was kept of it."""
    async with stack.db.reading("payments") as tx:
        return await store.transfer(tx, id_)


async def currency(stack: Stack, code: str = "USD", digits: int = 2, settlement: Settlement = Settlement.NET) -> None:
    """Settle a currency, with the hub in place."""
    if roll.HUB not in (await roll.of(stack)).fsps:
        await acts.join(stack, setup(), roll.HUB, "switch", "Switch", "", "")
    await acts.settle_currency(stack, setup(), code, digits, settlement)


async def stands(stack: Stack, fsp: str, code: str = "USD") -> Standing:
    """How a participant stands."""
    async with stack.db.reading("payments") as tx:
        held = next(a for a in await store.accounts(tx) if (a.fsp, a.currency) == (fsp, code))
        return await store.standing(tx, held)


async def quiet(stack: Stack) -> None:
    """Wait until nothing is under way in the switch."""
    for _ in range(20):
        await desk.of(stack).idle()
        await post.of(stack).idle()
        if not post.of(stack)._hand and not desk.of(stack)._waiting and desk.of(stack)._running is None:
            return


async def transfer_of(stack: Stack, id_: str, resource: str = moving.TRANSFERS) -> Any:
    """A transfer as the database has it."""
    return await moving._find(stack, id_, resource, fresh=True)
