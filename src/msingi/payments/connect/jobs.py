"""What connecting does later: answers to peers are sent, and sent again until they are taken."""

from collections.abc import Awaitable, Callable

from msingi.kernel.stack import Stack
from msingi.payments.connect import messages, peers


async def check_peers(stack: Stack) -> None:
    """At start: a setting that nobody can follow is said at once, and not with the first message."""
    peers.known(stack)


doers: dict[str, Callable[[Stack, bytes], Awaitable[None]]] = {
    messages.ANSWER: messages.on_answer,
    "payments.file-finished": messages.on_finished,
}
outside = (messages.ANSWER,)  # a peer may be away
starts = [check_peers]
