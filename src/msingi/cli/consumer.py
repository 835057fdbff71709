"""`msingi consumer`: lets software that was written for X-Road use the exchange as it is."""

import asyncio
import contextlib
import signal
import ssl
from pathlib import Path

import click
import msgspec

from msingi import doors
from msingi.kernel.settings import LOOPBACK


@click.command()
@click.option("--exchange", required=True, help="Address of the exchange, as its authority tells it.")
@click.option("--client", required=True, help="For whom to sign: INSTANCE/CLASS/MEMBER/SUBSYSTEM.")
@click.option("--key", type=click.Path(path_type=Path, exists=True), required=True, help="File with the private JWK.")
@click.option(
    "--trust", type=click.Path(path_type=Path), help="File with the exchange's public keys; made at first if absent."
)
@click.option("--purpose", default="", help="Purpose of requests that do not say one, such as health-care.")
@click.option("--basis", default="", help="Legal basis of requests that do not say one, such as legal-obligation.")
@click.option(
    "--certificate", type=click.Path(path_type=Path, exists=True), help="PEM file with a certificate to show."
)
@click.option("--certificate-key", type=click.Path(path_type=Path, exists=True), help="PEM file with its private key.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback address to listen on.")
@click.option("--port", type=int, default=8095, show_default=True, help="TCP port to listen on.")
def consumer(
    exchange: str, client: str, key: Path, trust: Path | None, purpose: str, basis: str, host: str, port: int,
    certificate: Path | None, certificate_key: Path | None,
) -> None:  # fmt: skip
    """Sign the requests of one piece of software, send them to the exchange, and check the answers.

    To the software this is its X-Road security server: http://HOST:PORT/r1/INSTANCE/CLASS/MEMBER/SUBSYSTEM/SERVICE.
    Only this machine may reach it, because whoever does speaks for the institution. The exchange's keys are fetched
    once and kept in --trust: compare them with the authority's.
    """
    if host not in LOOPBACK:
        raise click.ClickException("whoever reaches this server speaks for the institution: listen on 127.0.0.1")
    doors.set_up_logging("warning", plain=True)
    shown = None if certificate is None else _holding(certificate, certificate_key)
    asyncio.run(_serve(exchange.rstrip("/"), client, key, trust, purpose, basis, host, port, shown))


def _holding(certificate: Path, key: Path | None) -> ssl.SSLContext:
    from msingi.exchange import mutual

    try:
        return mutual.holding(certificate, key)
    except (OSError, ssl.SSLError) as wrong:
        raise click.ClickException(f"{certificate} and its key cannot be used: {wrong}") from None


async def _serve(
    exchange: str, client_id: str, key: Path, trust: Path | None, purpose: str, basis: str, host: str, port: int,
    shown: ssl.SSLContext | None,
) -> None:  # fmt: skip
    import httpx

    from msingi.exchange import client
    from msingi.exchange.consumer import Choices, Desk

    private = msgspec.json.decode(key.read_bytes(), type=dict[str, str])
    if trust is not None and trust.exists():
        known = msgspec.json.decode(trust.read_bytes(), type=list[dict[str, str]])
    else:
        try:
            known = await client.keys_of(exchange, shown)
        except httpx.HTTPError as no:
            raise click.ClickException(f"the exchange does not answer at {exchange} ({type(no).__name__})") from None
        if trust is not None:
            trust.write_bytes(msgspec.json.encode(known))
    desk = Desk(Choices(exchange, client_id, private, tuple(known), purpose, basis, shown))
    ended = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, ended.set)
    await desk.start(host=host, port=port)
    click.echo(f"Msingi: signing for {client_id} at http://{host}:{port}", err=True)
    for one in known:
        click.echo(f"  answers are believed by key {one['kid']}", err=True)
    with contextlib.suppress(asyncio.CancelledError):
        await ended.wait()
    await desk.stop()
    desk.pool.close()
