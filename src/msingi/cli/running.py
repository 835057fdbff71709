"""How a command gets a stack: options that become settings, the database server, and a connected stack."""

import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click

from msingi import countries
from msingi.kernel.postgres import EmbeddedServer, as_app, migrate
from msingi.kernel.settings import Settings, read
from msingi.kernel.stack import Stack

CHOICES = "choices.json"


def home_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option --home, which every command that needs the stack shares."""
    return click.option(
        "--home",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="MSINGI_HOME",
        default=Path(".msingi"),
        show_default=True,
        help="Directory of the database, the keystore and the sample.",
    )(command)


def remember(settings: Settings) -> None:
    """Keep what a later command on the same home must know: country, address, sandbox."""
    kept = {"country": settings.country, "base_url": settings.url, "sandbox": settings.sandbox}
    kept |= {"rooms": settings.rooms, "peer": settings.peer} if settings.rooms else {}
    (Path(settings.home) / CHOICES).write_text(json.dumps(kept))


def remembered(home: Path) -> dict[str, Any]:
    """What the last `msingi up` on this home kept; empty where there was none."""
    file = home / CHOICES
    return json.loads(file.read_text()) if file.exists() else {}


def recalled(home: Path, **chosen: Any) -> Settings:
    """The settings of a home: what `msingi up` remembered there, under what is chosen now and the environment."""
    kept = {k: v for k, v in remembered(home).items() if f"MSINGI_{k.upper()}" not in os.environ}
    return read(home=home, **(kept | {k: v for k, v in chosen.items() if v is not None}))


class Server:
    """The database server of a home: the embedded one, or the one that the settings name."""

    def __init__(self, settings: Settings) -> None:
        self.embedded: EmbeddedServer | None = None
        home = Path(settings.home)
        home.mkdir(parents=True, exist_ok=True)
        if settings.database_url:
            self.owner_url = settings.database_url
        else:
            home.chmod(0o711)
            self.embedded = EmbeddedServer(home / "pg")
            self.owner_url = self.embedded.url

    def stop(self) -> None:
        """Stop the embedded server, unless another program uses it too."""
        if self.embedded is not None:
            self.embedded.stop()


async def connected(settings: Settings, server: Server) -> Stack:
    """A stack on a migrated database, rooms started, without background work."""
    from msingi import app

    await migrate(server.owner_url)
    stack = await Stack.open(settings, as_app(server.owner_url), countries.load(settings.country))
    app.load_policies()
    app.furnish(stack)
    await app.start_rooms(stack)
    return stack


@asynccontextmanager
async def at_work(home: Path, **chosen: Any) -> AsyncIterator[Stack]:
    """A connected stack for one command; everything is closed afterwards."""
    if not (home / "pg").exists() and not os.environ.get("MSINGI_DATABASE_URL"):
        raise click.ClickException(f"{home} holds no stack. Start one with: msingi up --home {home}")
    settings = recalled(home, **chosen)
    server = Server(settings)
    try:
        stack = await connected(settings, server)
        try:
            yield stack
            await stack.outbox.drain(stack)
        finally:
            await stack.close()
    finally:
        server.stop()
