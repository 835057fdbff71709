"""A switch with two participants, and the switch's books looked at from outside."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from tests.payments_switch.fsp import Participant, Reply, payee

from msingi.kernel.context import Context, job_context
from msingi.kernel.stack import Stack
from msingi.payments.switch import acts, desk, moving, post, roll, settling, store
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
