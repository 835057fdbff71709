"""The composition root: every room's doors, doers of events, endless work and policies, in one place.

A room takes part by what its modules export: `routes.routers`, `routes.dialects`, `routes.authenticators`,
`routes.sandbox_routers` (doors that a sandbox on a loopback address has, and nobody else), `jobs.doers` (event kind
-> doers), `jobs.outside` (kinds whose doers wait for others' machines), `jobs.loops`, `jobs.starts`, and a file
`policy.cedar`. A building block also exports `routes.block`: what it adds to the portal. `routes.hot` are doors that
have a shorter way (`kernel/hot.py`).
"""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from importlib import import_module
from importlib.resources import files
from importlib.util import find_spec
from types import ModuleType
from typing import Any

from litestar import Litestar, Request, get
from litestar.router import Router
from litestar.types import ASGIApp

from msingi import doors, offers, reference, trust
from msingi.assembly import Assembly
from msingi.kernel import crossing, hot, policy, web
from msingi.kernel.settings import LOOPBACK, Settings
from msingi.kernel.stack import Loop, Stack
from msingi.payments import amounts
from msingi.portal import blocks

ABOVE = ("governance", "counter")  # rooms of the house that stand above the portal and bring pages of their own
BLOCKS: tuple[str, ...] = ()  # building blocks above the portal, which `msingi room NAME` adds here
ROOMS = (
    "kernel.log",
    "identity",
    "identity.lifecycle",
    "identity.civil",
    "identity.reception",
    "identity.sweep",
    "identity.biometrics",
    "consent",
    "signin",
    "credentials",
    "credentials.issuance",
    "credentials.presentation",
    "payments",
    "payments.fraud",
    "payments.disputes",
    "payments.products",
    "payments.bank",
    "payments.dormant",
    "payments.fees",
    "payments.connect",
    "payments.groups",
    "payments.circles",
    "payments.programmes",
    "payments.reconciling",
    "payments.seizures",
    "payments.estates",
    "payments.rates",
    "payments.switch",
    "payments.recalls",
    "payments.vouchers",
    "health",
    "registries",
    "exchange",
    "exchange.federation",
    "exchange.moving",
    "exchange.membership",
    "exchange.news",
    "evidence",
    "stewardship",
    "channels",
    "portal",
    *ABOVE,
    "governance.keeping",
    "governance.apart",
    *BLOCKS,
)


def _part(room: str, name: str) -> ModuleType | None:
    if find_spec(f"msingi.{room}") is None or find_spec(f"msingi.{room}.{name}") is None:
        return None
    return import_module(f"msingi.{room}.{name}")


def running(settings: Settings) -> tuple[str, ...]:
    """The rooms that this program runs: all, or those that its settings name and what lets them reach the others.

    Raises ValueError for a room that cannot run apart, because no act of it is marked with `crossing`.
    """
    wanted = {name.strip() for name in settings.rooms.split(",") if name.strip()}
    if not wanted:
        return ROOMS
    movable = _movable()
    if wanted - movable:
        stays, can = ", ".join(sorted(wanted - movable)), ", ".join(sorted(movable))
        raise ValueError(f"{stays} cannot run on a machine of its own; these can: {can}")
    beside = (
        "kernel.log", "exchange", "exchange.federation", "exchange.moving", "governance.keeping", "governance.apart"
    )  # fmt: skip
    return tuple(r for r in ROOMS if r.partition(".")[0] in wanted or r in beside)


@cache
def _movable() -> frozenset[str]:
    """The rooms that can run on a machine of their own; the acts of their sub-rooms are marked with theirs."""
    for room in ROOMS:
        for part in ("acts", "routes"):  # loading them says which acts are marked
            _part(room, part)
    rooms = crossing.rooms() - {"identity", "rights"}
    for room in ROOMS:
        above, sub, _ = room.partition(".")
        if sub and above in rooms:
            crossing.cover(import_module(f"msingi.{room}"), above, "portal", "channels", "governance", "cli")
    return rooms


def load_policies() -> policy.Policies:
    """Make the rules of all rooms the rules in force."""
    rooms = [r for r in ROOMS if find_spec(f"msingi.{r}") and (files(f"msingi.{r}") / "policy.cedar").is_file()]
    return policy.load(rooms)


def introduce() -> None:
    """Tell the portal what the rooms above it add to it: pages, texts, entries of the menus."""
    for room in (*ABOVE, *BLOCKS):
        blocks.add(import_module(f"msingi.{room}.routes").block)


def furnish(stack: Stack) -> None:
    """Give the stack the rooms' doers of events and their endless work: once, however often it is asked for."""
    _movable()
    offers.connect(stack)
    introduce()
    if "app.furnished" in stack.local:
        return
    stack.local["app.furnished"] = True
    for room in running(stack.settings):
        jobs = _part(room, "jobs")
        if jobs is None:
            continue
        for kind, doer in (getattr(jobs, "doers", None) or getattr(jobs, "handlers", {})).items():
            stack.outbox.subscribe(kind, doer, outside=kind in getattr(jobs, "outside", ()))
        above = room.partition(".")[0]
        for loop in getattr(jobs, "loops", []):
            stack.loops.append(partial(_while_here, above, loop) if above in _movable() else loop)


async def _while_here(room: str, loop: Loop, stack: Stack) -> None:
    await crossing.while_here(stack, room, loop)


async def start_rooms(stack: Stack) -> None:
    """Let each room prepare itself on a migrated database, in order: `jobs.starts`."""
    for room in running(stack.settings):
        jobs = _part(room, "jobs")
        for start in getattr(jobs, "starts", []):
            await start(stack)


@get("/.well-known/msingi-trust.json", tags=["operations"], summary="The public keys that offline verifiers need")
async def trust_file(request: Request[Any, Any, Any]) -> trust.Trust:
    """Keys of the log, of cards, of consents and of exchanged messages: what `msingi verify --trust` takes."""
    return await trust.of(web.stack(request))


def register_manners(settings: Settings) -> None:
    """Tell the kernel how the rooms recognise a caller, and in which dialect each refuses."""
    dialects: dict[str, web.Dialect] = {}
    authenticators: list[web.Authenticator] = []
    nowhere: web.Page | None = None
    for room in running(settings):
        routes = _part(room, "routes")
        dialects |= getattr(routes, "dialects", {})
        authenticators += getattr(routes, "authenticators", [])
        nowhere = getattr(routes, "nowhere", nowhere)
    web.register(authenticators, dialects, nowhere)


def settle_memory() -> None:
    """Let the garbage collector leave alone what was made by now: doors, policies, plans. It would look through all of
    it again and again. And let it come less often: requests leave hardly any circles behind."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def build(stack: Stack, *, background: bool = True) -> ASGIApp:
    """The web application on a connected stack. With `background` it also runs the rooms' endless work."""
    load_policies()
    furnish(stack)
    register_manners(stack.settings)
    shortcuts: list[hot.Hot] = []
    routers: list[Router] = [*doors.routers, *reference.routers, Router("/", route_handlers=[trust_file])]
    for room in running(stack.settings):
        routes = _part(room, "routes")
        if routes is not None:
            routers += routes.routers
            if room.partition(".")[0] == "payments":
                for router in routes.routers:
                    router.before_request = amounts.as_written
            shortcuts += getattr(routes, "hot", [])
            if stack.settings.sandbox and stack.settings.host in LOOPBACK:
                routers += getattr(routes, "sandbox_routers", [])

    @asynccontextmanager
    async def life(running: Litestar) -> AsyncIterator[None]:
        living: Stack = running.state.stack
        await start_rooms(living)
        await trust.write(living)
        if background:
            living.start_loops()
        settle_memory()
        yield
        await living.close()

    plugins, middleware, more = doors.telemetry(stack.settings)
    app = Assembly(
        route_handlers=[*routers, *more],
        exception_handlers=web.EXCEPTION_HANDLERS,
        lifespan=[life],
        plugins=plugins,
        middleware=middleware,
        openapi_config=doors.OPENAPI,
        logging_config=None,
        request_max_body_size=16 * 1024 * 1024,
    )
    app.state.stack = stack
    return doors.EveryAnswer(hot.of(app, shortcuts))
