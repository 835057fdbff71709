"""The whole web application on a test's stack, built once for each kind of settings: its doors take seconds."""

from pathlib import Path

from litestar import Litestar
from litestar.types import ASGIApp, Receive, Scope, Send
from msgspec.structs import replace

from msingi import app
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack

_built: dict[Settings, ASGIApp] = {}


class Site:
    """An application that answers with one stack. Two of the same settings share the doors, and answer in turn."""

    def __init__(self, built: ASGIApp, stack: Stack) -> None:
        self._built, self._stack = built, stack
        self._doors = _doors(built)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or live through a life."""
        self._doors.state.stack = self._stack
        await self._built(scope, receive, send)


def web_app(stack: Stack) -> Site:
    """The application without background work; whatever a test before did to the doors' manners is undone."""
    kind = replace(stack.settings, home=Path(), base_url="", port=0)  # what no door is built from
    if kind not in _built:
        _built[kind] = app.build(stack, background=False)
        app.settle_memory()
    app.load_policies()
    app.furnish(stack)
    app.register_manners(stack.settings)
    return Site(_built[kind], stack)


def _doors(built: ASGIApp) -> Litestar:
    while not isinstance(built, Litestar):
        built = getattr(built, "app", None) or built._app
    return built
