"""`msingi peers`: which other installations this one exchanges with."""

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urlsplit

import click
import httpx
import msgspec

from msingi.cli.running import at_work, home_option
from msingi.exchange.federation import acts, outbound, wire
from msingi.exchange.federation.errors import AnchorWrong
from msingi.exchange.federation.model import Anchor, Peer
from msingi.kernel.context import job_context
from msingi.kernel.settings import LOOPBACK


@click.group()
def peers() -> None:
    """Connect this installation to another: another country, or a machine that runs some rooms of this one.

    The two authorities exchange anchors (`msingi peers anchor`), compare the fingerprints by telephone, and each adds
    the other's: `msingi peers add FILE`. From then on the stacks fetch each other's signed directories.
    """


def _work(home: Path, ask: Any) -> Any:
    async def run() -> Any:
        async with at_work(home) as stack:
            try:
                return await ask(stack)
            finally:
                await outbound.close(stack)

    return asyncio.run(run())


async def meet(stack: Any, place: str) -> Peer:
    """The stack that runs the other rooms, by `URL#fingerprint`: pinned at the first start, and the same ever after.

    Raises AnchorWrong if what answers there is not the stack that was pinned or named.
    """
    url, wanted = urldefrag(place)
    for known in await acts.peers(stack, fresh=True):
        if known.url == url.rstrip("/") and known.standing == "active" and known.expires:
            if wanted and wanted not in {key.kid for key in known.keys}:
                raise AnchorWrong(f"{known.keys[0].kid} was pinned at the first start", field="fingerprint")
            return known
    found = await asyncio.to_thread(asked_anchor, url)
    local = urlsplit(url).hostname in LOOPBACK
    if not wanted and not local:
        raise AnchorWrong(f"name it: --peer {url}#{found.fingerprint} if the operator there confirms", field="peer")
    if wanted and wanted not in {key.kid for key in found.keys}:
        raise AnchorWrong(f"the fingerprint there is {found.fingerprint}", field="fingerprint")
    ctx = job_context("setup", "data-exchange")
    try:
        made = await acts.propose_peer(stack, ctx, found)
        await acts.approve_peer(stack, ctx, made.peer)
        return await acts.refresh_peer(stack, ctx, made.peer)
    finally:
        await outbound.close(stack)


def asked_anchor(url: str) -> Anchor:
    """The anchor that an installation publishes. Raises click.ClickException where nothing answers."""
    try:
        answer = httpx.get(f"{url.rstrip('/')}/v1/exchange/anchor", timeout=15, trust_env=False)
        answer.raise_for_status()
    except httpx.HTTPError as lost:
        raise click.ClickException(f"{url} gives no anchor: {lost}") from None
    return wire.anchor_of(answer.content)


def _line(peer: Peer) -> str:
    until = f", directory {peer.version} until {peer.expires:%Y-%m-%d %H:%M} UTC" if peer.expires else ""
    rooms = f", runs {', '.join(peer.rooms)}" if peer.rooms else ""
    return f"{peer.peer}  {peer.standing.value}  {peer.url}  fingerprint {peer.keys[0].kid}{rooms}{until}"


def fetched_anchor(place: str) -> Anchor:
    """The anchor in a file, or at an address, with `#fingerprint`; an address without one is asked for it.

    Raises AnchorWrong if the fingerprint is another, click.ClickException where nothing answers or no file is.
    """
    url, wanted = urldefrag(place)
    afar = place.startswith(("http://", "https://"))
    if afar:
        found = asked_anchor(url)
    elif not Path(url).is_file():
        raise click.ClickException(f"{url} is neither a file nor an address that begins with http.")
    else:
        found = wire.anchor_of(Path(url).read_bytes())
    if wanted and wanted not in {key.kid for key in found.keys}:
        raise AnchorWrong(f"the fingerprint there is {found.fingerprint}", field="fingerprint")
    if afar and not wanted:
        asked = f"{url} has the fingerprint {found.fingerprint}. Did the other authority tell you the same?"
        click.confirm(asked, abort=True)
    return found


@peers.command()
@home_option
def anchor(home: Path) -> None:
    """Print this installation's anchor, for the other authority to add."""
    found = _work(home, acts.anchor)
    click.echo(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
    click.secho(f"Fingerprint, to be compared by telephone: {found.fingerprint}", err=True)


@peers.command()
@home_option
@click.argument("place", metavar="FILE|URL[#FINGERPRINT]")
@click.option("--proposed", is_flag=True, help="Only propose it; an officer approves it at /staff/institutions.")
@click.option("--begin-anew", is_flag=True, help="Its rooms begin there without the records that this stack holds.")
def add(home: Path, place: str, proposed: bool, begin_anew: bool) -> None:
    """Make another installation known by its anchor, and exchange with it from now on.

    A machine that is to run a room of this stack which has served people already is only proposed: msingi move-room
    takes the records along.
    """
    told, ctx = fetched_anchor(place), job_context("setup", "data-exchange")

    async def ask(stack: Any) -> Peer:
        made = await acts.propose_peer(stack, ctx, told)
        if proposed:
            return made
        await acts.approve_peer(stack, ctx, made.peer, anew=begin_anew)
        return await acts.refresh_peer(stack, ctx, made.peer)

    click.echo(_line(_work(home, ask)))


@peers.command("list")
@home_option
def list_peers(home: Path) -> None:
    """List the peers with their fingerprints and how old their directories are."""
    found = _work(home, acts.peers)
    for one in found:
        click.echo(_line(one))
    if not found:
        click.echo("No other installation is known here. Begin with: msingi peers anchor", err=True)


@peers.command()
@home_option
@click.argument("peer")
def refresh(home: Path, peer: str) -> None:
    """Fetch a peer's directory now."""
    click.echo(_line(_work(home, lambda stack: acts.refresh_peer(stack, job_context("setup"), peer))))


@peers.command()
@home_option
@click.argument("peer")
@click.option("--because", required=True, help="Why; it stands in the log.")
def suspend(home: Path, peer: str, because: str) -> None:
    """Exchange nothing more with a peer, at once."""
    ctx = job_context("setup", "data-exchange")
    click.echo(_line(_work(home, lambda stack: acts.suspend_peer(stack, ctx, peer, because))))
