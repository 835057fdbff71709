"""The whole web application on a test's stack, built once for each stack: registering its doors takes seconds."""

from litestar.types import ASGIApp

from msingi import app
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack

_built: list[tuple[Stack, Settings, ASGIApp]] = []  # the newest only


def web_app(stack: Stack) -> ASGIApp:
    """The application without background work; whatever a test before did to the doors' manners is undone."""
    if not _built or _built[0][0] is not stack or _built[0][1] != stack.settings:
        _built[:] = [(stack, stack.settings, app.build(stack, background=False))]
    app.load_policies()
    app.furnish(stack)
    app.register_manners(stack.settings)
    return _built[0][2]
