"""Registered software, as every step of a sign-in needs it: looked up once, and remembered for a moment."""

import time

from msingi.kernel.stack import Stack
from msingi.signin import rules, store
from msingi.signin.errors import InvalidClient
from msingi.signin.model import Client, Profile

CLIENT_REMEMBERED_S = 2.0
OWN = "msingi-sign-in"  # sign-in's own pages, which nobody registers


def remembered(stack: Stack) -> dict[str, tuple[float, Client]]:
    """What this process knows of clients, each until an instant of the monotonic clock."""
    return stack.local.setdefault("signin.clients", {})  # type: ignore[return-value]


async def client(stack: Stack, client_id: str) -> Client:
    """A registered client; a change made by another process is seen within 2 s. Raises InvalidClient for an unknown."""
    if not rules.is_client_id(client_id):
        raise InvalidClient(rule="registered client_id")
    if client_id == OWN:
        name = stack.profile.say(stack.profile.name, stack.profile.language)
        return Client(client_id=OWN, name=name, institution="", profile=Profile.PUBLIC, first_party=True)
    known, now = remembered(stack), time.monotonic()
    if client_id in known and known[client_id][0] > now:
        return known[client_id][1]
    async with stack.db.reading("signin") as tx:
        found = await store.client(tx, client_id)
    if found is None:
        raise InvalidClient(rule="registered client_id")
    known[client_id] = (now + CLIENT_REMEMBERED_S, found)
    return found
