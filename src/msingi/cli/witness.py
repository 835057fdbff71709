"""`msingi witness`: watch a log from outside its administration, from any machine that runs Python."""

from datetime import UTC, datetime
from pathlib import Path

import click

from msingi.kernel.log import laptop, note

folder_option = click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("witness"),
    show_default=True,
    help="Folder of the witness's key and memory.",
)


@click.group()
def witness() -> None:
    """Run a witness: it signs the head of a log only if the log has grown from what it signed before.

    \b
    msingi witness make regulator.example/w1
    msingi witness follow VKEY            the key of the log, from its /log/vkeys and from a second source
    msingi witness serve --host 0.0.0.0

    A log that shows one history to some and another to others, or takes something back, gets no signature and
    leaves a trace here. Whoever runs the log sets MSINGI_WITNESSES to the line that `make` prints.
    """


def _opened(folder: Path) -> laptop.Laptop:
    try:
        return laptop.Laptop(folder)
    except ValueError as why:
        raise click.ClickException(f"{why}. Make one with: msingi witness make NAME --folder {folder}") from None


def _line(mine: laptop.Laptop) -> str:
    """What the log's operator sets, but for the address."""
    return " ".join(map(str, mine.notary.vkeys())) + " http://ADDRESS:PORT"


@witness.command()
@folder_option
@click.argument("name")
def make(folder: Path, name: str) -> None:
    """Make a witness called NAME, such as regulator.example/w1, with keys of its own."""
    try:
        made = laptop.Laptop.make(folder, name)
    except ValueError as why:
        raise click.ClickException(f"{why}.") from None
    click.echo(f"Made {folder / laptop.KEY_FILE}: keep it, and keep it to yourself. Its public keys, to be set as")
    click.echo("MSINGI_WITNESSES of the log, with the address where this witness can be reached behind them:\n")
    click.echo(_line(made))


@witness.command()
@folder_option
@click.argument("vkey", nargs=-1, required=True)
def follow(folder: Path, vkey: tuple[str, ...]) -> None:
    """Witness the log that signs with the key VKEY (the first lines of its /log/vkeys, type 0x01)."""
    mine = _opened(folder)
    for text in vkey:
        try:
            mine.follow(note.parse_vkey(text))
        except ValueError as why:
            raise click.ClickException(f"{text[:60]}: {why}.") from None
        click.echo(f"following {text.partition('+')[0]}")


@witness.command()
@folder_option
def status(folder: Path) -> None:
    """Say which logs are followed, what was cosigned last for each, and the line for MSINGI_WITNESSES."""
    mine = _opened(folder)
    seen = {one.origin: one for one in mine.seen()}
    for vkey in mine.logs():
        one = seen.get(vkey.name)
        when = datetime.fromtimestamp(one.at, UTC).isoformat(timespec="seconds") if one else "never"
        click.echo(f"{vkey.name}  {one.size if one else 0} entries  cosigned {when}")
    click.echo(f"\nFor MSINGI_WITNESSES of these logs:\n\n{_line(mine)}")


@witness.command()
@folder_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="TCP port to listen on.")
def serve(folder: Path, host: str, port: int) -> None:
    """Serve until interrupted. Put TLS in front if the log is not on the same network."""
    mine = _opened(folder)
    try:
        running = laptop.server(mine, host, port)
    except OSError as why:
        raise click.ClickException(f"{host}:{port}: {why.strerror}.") from None
    with running:
        click.echo(f"{mine.notary.name} witnesses {len(mine.logs())} logs at http://{host}:{running.server_port}")
        try:
            running.serve_forever()
        except KeyboardInterrupt:
            click.echo("ended")
