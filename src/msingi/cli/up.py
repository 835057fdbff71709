"""`msingi up`: the whole stack, from an empty directory to a country that answers."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec

from msingi import doors
from msingi.cli.running import Server, connected, home_option, remember, remembered
from msingi.kernel.errors import Outage
from msingi.kernel.postgres import migrate
from msingi.kernel.settings import LOOPBACK, Settings, read

logger = logging.getLogger("msingi.up")
WATCH_S = 0.5


@click.command()
@home_option
@click.option("--host", help="Address to listen on.  [default: 127.0.0.1]")
@click.option("--port", type=int, help="TCP port to listen on.  [default: 8080]")
@click.option("--base-url", help="The address that people and clients use, if it is another.")
@click.option("--country", help="A shipped country profile, or the path of a profile folder.  [default: taifa]")
@click.option("--rooms", help="Run only these rooms here, separated by commas; the others run where --peer says.")
@click.option("--peer", help="The stack that runs the other rooms: URL#FINGERPRINT (see msingi peers anchor).")
@click.option("--sample", type=click.IntRange(min=0), help="Make a sandbox with N invented people at first start.")
@click.option("--seed", type=int, default=2022, show_default=True, help="Seed of the sample: same seed, same people.")
@click.option("--quiet", is_flag=True, help="Log JSON lines only; for service managers.")
def up(home: Path, sample: int | None, seed: int, quiet: bool, **chosen: Any) -> None:
    """Start the whole stack and keep it running until Ctrl-C.

    An embedded PostgreSQL 18 keeps its files in HOME; MSINGI_DATABASE_URL puts the stack on another PostgreSQL >= 18.
    With --sample the stack is a sandbox: invented people, simulated text messages that can be read back at
    /sandbox/sms?to=PHONE, and HOME/sample.json, which tells other programs how to sign in. A sandbox listens on a
    loopback address only.
    """
    settings = _settings(home, sample, **chosen)
    doors.set_up_logging(settings.log_level if quiet else "warning", plain=not quiet)
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.install()
    asyncio.run(_up(settings, sample or 0, seed, quiet))


def _settings(home: Path, sample: int | None, **chosen: Any) -> Settings:
    """What is chosen now, and the country of the home, which stays what it was at the first start.

    Raises ValueError if another country is chosen for it.
    """
    from msingi import countries

    settings = read(home=home, sandbox=True if sample else None, **chosen)
    kept = remembered(home)
    if kept.get("rooms") and not settings.rooms:  # a part of a stack does not become a whole one by a short command
        settings = msgspec.structs.replace(settings, rooms=kept["rooms"], peer=settings.peer or kept["peer"])
    before = kept.get("country")
    if before is None or not (home / "keystore").exists():
        return settings
    if chosen["country"] is None and "MSINGI_COUNTRY" not in os.environ:
        return msgspec.structs.replace(settings, country=before)
    if settings.country != before and countries.load(settings.country).code != countries.load(before).code:
        raise ValueError(f"{home} holds the country {before}: give another --home for {settings.country}")
    return settings


async def _up(settings: Settings, sample: int, seed: int, quiet: bool) -> None:
    from msingi.cli import sample as samples
    from msingi.kernel.log.jobs import checked

    began = time.perf_counter()
    checked(settings)
    say = (lambda text: None) if quiet else (lambda text: click.echo(text, err=True))
    say(f"Msingi: starting in {settings.home} ...")
    door = _reserved(settings)
    server = Server(settings)
    try:
        remember(settings)
        await migrate(server.owner_url)
        if samples.made(settings.home):
            samples.readdress(settings)
        elif sample:
            stack = await connected(settings, server)
            try:
                await samples.make(stack, sample, seed, progress=not quiet and sys.stderr.isatty(), say=say)
            finally:
                await stack.close()
        if settings.peer:
            await _meet(settings, server, say)
        await _serve(settings, server, door, say, began)
    finally:
        door.close()
        server.stop()
        say("Msingi: stopped. Nothing is lost.")


async def _meet(settings: Settings, server: Server, say: Any) -> None:
    """Know the stack that runs the other rooms, from the first start on; its anchor is pinned then."""
    from msingi.cli.peers import meet

    if not settings.rooms:
        raise ValueError("--peer is for a machine that runs some rooms: name them with --rooms")
    stack = await connected(settings, server)
    try:
        met = await meet(stack, settings.peer)
        here = await stack_anchor(stack)
        say(f"Rooms here: {settings.rooms}. The others: {met.url}, which adds this machine with")
        say(f"  msingi peers add {settings.url}#{here}")
    finally:
        await stack.close()


async def stack_anchor(stack: Any) -> str:
    """The fingerprint of this installation."""
    from msingi.exchange.federation import acts

    return (await acts.anchor(stack)).fingerprint


def _reserved(settings: Settings) -> socket.socket:
    """The address to listen on, taken before any work is done. Raises OSError, with a remedy, if it cannot be had."""
    door = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((settings.host, settings.port))
    except OSError as no:
        door.close()
        where = f"port {settings.port} on {settings.host} cannot be used ({no.strerror})"
        raise OSError(f"{where}: stop what listens there, or choose another with --port") from None
    return door


async def _serve(settings: Settings, server: Server, door: socket.socket, say: Any, began: float) -> None:
    import uvicorn

    from msingi import app, countries
    from msingi.kernel.lean import LeanProtocol
    from msingi.kernel.postgres import as_app
    from msingi.kernel.stack import Stack

    stack = await Stack.open(settings, as_app(server.owner_url), countries.load(settings.country))
    config = uvicorn.Config(
        app.build(stack),
        host=settings.host,
        port=settings.port,
        http=LeanProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=10,
        h11_max_incomplete_event_size=65_536,
        proxy_headers=settings.host in LOOPBACK,
    )

    class Served(uvicorn.Server):
        """Leaves the signals to us, so that the database is always stopped in good order."""

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    running = Served(config)
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, lambda: setattr(running, "should_exit", True))
    besides = [
        asyncio.create_task(_tell_when_ready(running, settings, say, began)),
        asyncio.create_task(_keep_database(server)),
    ]
    with contextlib.suppress(asyncio.CancelledError):
        await running.serve([door])
    for task in besides:
        task.cancel()
    await asyncio.gather(*besides, return_exceptions=True)
    if not running.started:
        raise OSError("the stack could not start; what it said last stands above")


async def _keep_database(server: Server) -> None:
    """Start the embedded server again if it was killed; until it is back, doors answer 503 with Retry-After."""
    while server.embedded is not None:
        await asyncio.sleep(WATCH_S)
        try:
            if not server.embedded.alive():
                logger.error("the database server ended; starting it again")
                await asyncio.to_thread(server.embedded.start)
        except Outage as outage:
            logger.error("the database server does not come back: %s", outage)


async def _tell_when_ready(running: Any, settings: Settings, say: Any, began: float) -> None:
    while not running.started:
        await asyncio.sleep(0.02)
    from msingi.cli import sample as samples

    say(f"\nMsingi is ready after {time.perf_counter() - began:.1f} s.\n")
    if settings.rooms:
        say(f"  Rooms here      {settings.rooms}; the others run at {settings.peer.partition('#')[0]}")
        say(f"  Health          {settings.url}/healthz\n\nCtrl-C stops it.\n")
        return
    say(f"  Portal          {settings.url}/")
    if settings.sandbox:
        say(f"  Practice room   {settings.url}/sandbox   (sample logins, and the codes that phones get)")
    say(f"  API reference   {settings.url}/docs")
    say(f"  Health          {settings.url}/healthz")
    if settings.sandbox:
        say(f"  For programs    {Path(settings.home) / samples.FILE}")
        for line in samples.logins(Path(settings.home)):
            say(line)
    say("\nTry: msingi tour (in a second terminal). Ctrl-C stops the stack.\n")
