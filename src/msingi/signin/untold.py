"""Going on without telling whether a PIN was right, where too many wrong ones came from one network (law 2).

A lock there would be a weapon: whoever shares a network with somebody could close it to them. So nobody is turned away.
On a device that is not known, everybody is led to the one-time code after number and PIN; it is sent only if both were
right, and nothing on the page, in its address or in the time that it takes says whether. Who has PIN and phone signs
in; who guesses learns nothing.
"""

import asyncio
from contextlib import suppress

from msgspec.structs import replace

from msingi.kernel import web
from msingi.kernel.ids import PersonId, uuid7
from msingi.signin import acts, flow, page
from msingi.signin.errors import NoPhone, TooManyTries
from msingi.signin.model import Client, Verdict, Who
from msingi.signin.page import WebRequest
from msingi.signin.provider.model import Flow
from msingi.signin.rules import is_staff_login, tidy_login

FLOOR_S = 0.5
REAL, EMPTY = 1, 2


class Floor:
    """Takes as long, whatever happens inside."""

    async def __aenter__(self) -> None:
        self._begun = asyncio.get_running_loop().time()

    async def __aexit__(self, *_: object) -> None:
        await asyncio.sleep(max(0.0, self._begun + FLOOR_S - asyncio.get_running_loop().time()))


async def sent(request: WebRequest, going: Flow, client: Client, who: Who | None, login: str = "") -> Flow:
    """The sign-in at the step of the code, which left only for `who`; of the same length for nobody.

    `login` is what was typed: staff go on under their staff id, whether it exists or not.
    """
    staff_id = tidy_login(login) if login and is_staff_login(login) else ""
    async with Floor():
        found = None
        with suppress(NoPhone, TooManyTries):  # these would tell that the PIN was right
            found = await flow.with_code(request, going, client, who) if who else None
        known = found.who if found else None
        # What more is known of somebody would show in the length.
        whose = Who(known.person_id if known else PersonId(uuid7()), staff_id)
        challenge_id = (found and found.challenge_id) or uuid7()
        return replace(going, who=whose, challenge_id=challenge_id, tail="", untold=REAL if found else EMPTY)


async def again(request: WebRequest, going: Flow, client: Client) -> Flow:
    """Another code, if one was sent."""
    who = going.who if going.untold == REAL else None
    return await sent(request, going, client, who, going.who.staff_id if going.who else "")


async def tried(request: WebRequest, going: Flow, client: Client, code: str) -> tuple[Verdict, str]:
    """One attempt with the code: right, and the session; or wrong, for whatever reason."""
    async with Floor():
        if going.untold != REAL or going.who is None or going.challenge_id is None:
            return Verdict.WRONG, ""
        ctx, place = acts.proving(web.request_id(request)), page.place_of(request)
        verdict, opened = await acts.verify_code(
            web.stack(request), ctx, going.who, going.challenge_id, code, place, client.name
        )
        return (verdict, opened) if verdict is Verdict.RIGHT else (Verdict.WRONG, "")
