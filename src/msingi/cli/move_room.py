"""`msingi move-room`: a room goes to a machine of its own with its records, and both sides prove it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click

from msingi.cli.running import at_work, home_option
from msingi.exchange.errors import ExchangeRefusal
from msingi.exchange.federation import acts as federation
from msingi.exchange.federation import outbound
from msingi.exchange.moving import acts
from msingi.kernel.context import job_context

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.group("move-room")
def move_room() -> None:
    """Move a room with its records to a machine of its own.

    \b
    1. There:  msingi up --home PAY --rooms payments --peer URL#FINGERPRINT   (then stop it)
    2. Here:   msingi peers add --proposed URL#FINGERPRINT
    3. Here:   msingi move-room out payments --to XT+payments --folder F
    4. There:  msingi move-room in --home PAY --folder F                      (then start it)
    5. Here:   msingi move-room done payments --folder F
    """


def _work(home: Path, ask: Callable[[Any], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with at_work(home) as stack:
            try:
                return await ask(stack)
            except ExchangeRefusal as no:
                raise click.ClickException(f"{no.title}. {no.detail or ''}\n{no.remedy}") from None
            finally:
                await outbound.close(stack)

    return asyncio.run(run())


@move_room.command("out")
@home_option
@click.argument("room")
@click.option("--to", "peer", required=True, help="The peer that is to run it, as `msingi peers list` names it.")
@click.option("--folder", type=FOLDER, required=True, help="Where the package is written; bring it to that machine.")
def out(home: Path, room: str, peer: str, folder: Path) -> None:
    """Close a room and write it as a package that only the other machine opens. Repeat it to go on after a stop.

    From now on whatever would change the room is answered with 503, until `done`, or until `back`.
    """
    ctx = job_context("setup")

    async def ask(stack: Any) -> Any:
        await acts.close_room(stack, ctx, room, peer)
        return await acts.send_room(stack, ctx, room, peer, folder, click.echo)

    sent = _work(home, ask)
    click.secho(f"{sent.rows} rows in {sent.parts} parts. There: msingi move-room in --folder {folder}", fg="green")


@move_room.command("in")
@home_option
@click.option("--folder", type=FOLDER, required=True, help="The package.")
def take(home: Path, folder: Path) -> None:
    """Take a package on a machine that was started for this room and has served nobody. Its program must not run.

    Compares counts and hashes of every table, and signs what it found. Repeat it to go on after a stop.
    """
    taken = _work(home, lambda stack: acts.take_room(stack, job_context("setup"), folder, click.echo))
    rows = sum(table.rows for table in taken.tables)
    click.secho(f"{rows} rows, all the same. Start this machine; there: msingi move-room done {taken.room}", fg="green")


@move_room.command("done")
@home_option
@click.argument("room")
@click.option("--folder", type=FOLDER, required=True, help="The package, with the other machine's answer in it.")
def done(home: Path, room: str, folder: Path) -> None:
    """Believe the other machine's signed answer, and carry every call of the room there from now on."""
    ctx = job_context("setup", "data-exchange")

    async def ask(stack: Any) -> Any:
        move = await acts.confirm_move(stack, job_context("setup"), room, folder)
        await federation.approve_peer(stack, ctx, move.other)
        return await federation.refresh_peer(stack, ctx, move.other)

    click.secho(f"{room} runs at {_work(home, ask).url}; its records here are closed for good.", fg="green")


@move_room.command("back")
@home_option
@click.argument("room")
def back(home: Path, room: str) -> None:
    """Open a room again that did not move after all. A package that was written is worth nothing then."""
    _work(home, lambda stack: acts.reopen_room(stack, job_context("setup"), room))
    click.secho(f"{room} is open again.", fg="green")
