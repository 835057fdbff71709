"""What the portal prepares at start: its registration as a client, and its frame around the pages of sign-in."""

import jinja2

from msingi.kernel.stack import Stack
from msingi.portal import session
from msingi.signin import page as signin_page


async def register(stack: Stack) -> None:
    """Make the portal known to the provider as it is now."""
    await session.register(stack)


async def frame_signin(_: Stack) -> None:
    """Give the pages of sign-in the portal's frame and style sheet, so that people stay in one place.

    Words and forms stay those of the sign-in room, which offers `prefer` for this.
    """
    signin_page.prefer(jinja2.PackageLoader("msingi.portal"))


starts = [register, frame_signin]
