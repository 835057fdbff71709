"""Endless work of payments: for ever do what is due, say what breaks, and look again."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from msingi.kernel import crossing
from msingi.kernel.errors import Outage, Refusal
from msingi.kernel.stack import Loop, Stack

logger = logging.getLogger("msingi.payments")


def for_ever(
    what: str,
    turn: Callable[[Stack], Awaitable[int | None]],
    look_s: float,
    *,
    soon_s: float = 0.0,
    first_s: float = 0.0,
) -> Loop:
    """A loop that takes turns: one after `first_s`, the next after `look_s`, or after `soon_s` where there was
    something to do and more may wait.

    Only the machine that runs the room takes them. A turn that breaks is told in the log as `what`, and nothing else:
    the next one goes on where it broke, so each turn must bear being taken twice.
    """

    async def loop(stack: Stack) -> None:
        await asyncio.sleep(first_s)
        while True:
            await asyncio.sleep(soon_s if await _taken(what, turn, stack) else look_s)

    loop.__name__ = loop.__qualname__ = getattr(turn, "__name__", "loop")
    loop.__doc__ = f"For ever: {what}."
    return loop


async def _taken(what: str, turn: Callable[[Stack], Awaitable[int | None]], stack: Stack) -> int:
    """How much there was to do in one turn; 0 if it broke."""
    if crossing.elsewhere(stack, "payments"):
        return 0
    try:
        return await turn(stack) or 0
    except (Outage, Refusal) as later:
        logger.warning("%s: waits: %s", what, later)
    except Exception:
        logger.exception("%s: broke, and is tried again", what)
    return 0
