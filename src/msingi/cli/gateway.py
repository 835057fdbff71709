"""`msingi gateway`: the exchange's messages in a process of their own, one for each core."""

import asyncio
import contextlib
import gc
import os
import signal
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from msingi import doors
from msingi.cli.running import Server, home_option, recalled
from msingi.kernel.settings import Settings

if TYPE_CHECKING:
    from msingi.kernel.stack import Stack


@click.command()
@home_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=8090, show_default=True, help="TCP port to listen on.")
@click.option("--socket", "path", help="Listen on this Unix socket instead, behind a proxy on the same machine.")
@click.option("--public-url", help="The address that clients sign their messages for, if it is not the stack's own.")
@click.option("--certificate", help="PEM file with this server's certificate chain: TLS ends here, not in a proxy.")
@click.option("--certificate-key", help="PEM file with its private key, if it is another file.")
@click.option("--mtls", is_flag=True, default=None, help="Ask every client for a certificate of its registered key.")
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="One for each core.")
def gateway(
    home: Path, host: str, port: int, path: str | None, public_url: str | None, processes: int,
    certificate: str | None, certificate_key: str | None, mtls: bool | None,
) -> None:  # fmt: skip
    """Answer messages of the exchange (/r1/..., /listClients) beside a running stack, on the same home and database.

    The stack answers messages too; this is for many of them, and for bodies of any size. TLS ends here with
    --certificate, or in a proxy before it. It reads and writes the same database, so both can be started, stopped and
    multiplied at will.
    """
    scheme = "https" if certificate or os.environ.get("MSINGI_GATEWAY_CERTIFICATE") else "http"
    host_url = public_url or (None if path else f"{scheme}://{host}:{port}")
    settings = recalled(
        home, gateway_url=os.environ.get("MSINGI_GATEWAY_URL") or host_url, gateway_certificate=certificate,
        gateway_certificate_key=certificate_key, gateway_mtls=mtls,
    )  # fmt: skip
    doors.set_up_logging("warning", plain=True)
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.install()
    children = [] if path else [pid for _ in range(processes - 1) if (pid := os.fork())]
    try:
        asyncio.run(_serve(settings, {"path": path} if path else {"host": host, "port": port, "reuse_port": True}))
    finally:
        for pid in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


async def _serve(settings: Settings, where: dict[str, Any]) -> None:
    from msingi.exchange.doorway import doorway
    from msingi.exchange.server import Server as Gateway

    server = Server(settings)
    stack = await _stack(settings, server)
    running = Gateway(stack)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(sign, ended.set)
    try:
        try:
            await running.start(**where, doorway=doorway(stack))
        except (OSError, ssl.SSLError) as wrong:
            raise click.ClickException(f"the gateway cannot listen: {wrong}") from None
        gc.collect()
        gc.freeze()  # what was made by now stays: the collector need not look through all of it again and again
        gc.set_threshold(10_000, 20, 50)
        click.echo(f"Msingi: messages are answered at {where.get('path') or settings.gateway_url}", err=True)
        sys.stderr.flush()
        await ended.wait()
    finally:
        await running.stop()
        await stack.close()
        server.stop()


async def _stack(settings: Settings, server: Server) -> "Stack":
    """The stack as messages need it: rules, keys, and what the rooms answer; none of its endless work."""
    from msingi import app, countries
    from msingi.kernel.postgres import as_app
    from msingi.kernel.stack import Stack

    stack = await Stack.open(settings, as_app(server.owner_url), countries.load(settings.country))
    app.load_policies()
    app.furnish(stack)
    return stack
