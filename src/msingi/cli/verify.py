"""`msingi verify`: check a card or a proof with nothing but public keys; no network, no running stack."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from msingi import trust
from msingi.cli.running import home_option


@click.command()
@home_option
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--trust",
    "trust_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The issuer's public keys (from /.well-known/msingi-trust.json).  [default: HOME/trust.json]",
)
@click.option(
    "--status",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A card's status list, fetched before from the address in the card.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was verified as JSON.")
def verify(home: Path, file: Path, trust_file: Path | None, status: Path | None, as_json: bool) -> None:
    """Check FILE offline: a `.tlog-proof` from the log, or a card as picture of its QR code or as the code's text.

    Exit code 0: genuine and valid. 1: refused, with the step that failed. 2: genuine, but it could not be checked
    whether the card was revoked (give --status).
    """
    known = trust.read(trust_file or home / trust.FILE)
    raw = file.read_bytes()
    if raw.startswith(b"c2sp.org/tlog-proof@v1"):
        _proof(raw, known, as_json)
    else:
        _card(raw, known, status, as_json)


def _proof(raw: bytes, known: trust.Trust, as_json: bool) -> None:
    from msingi.kernel.log import proof

    found = proof.verify(raw, known.log)
    if as_json:
        click.echo(json.dumps(trust.readable(found), indent=1, ensure_ascii=False))
        return
    click.secho("genuine", fg="green", nl=False)
    click.echo(": this record stands in the log, unchanged")
    for name, value in found.record.items():
        shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
        click.echo(f"  {name:<12} {shown}")


def _card(raw: bytes, known: trust.Trust, status: Path | None, as_json: bool) -> None:
    from msingi.credentials.picture import read_qr
    from msingi.credentials.verify import State, verify_card

    text = _text(raw) or read_qr(raw)
    token: str | bytes | None = None
    if status is not None:
        token = status.read_bytes()
        token = token.decode() if token.startswith(b"ey") else token
    verdict = verify_card(text, known.credentials, token, datetime.now(UTC), issuer=known.issuer)
    if as_json:
        click.echo(json.dumps(trust.readable(verdict), indent=1, ensure_ascii=False))
    else:
        genuine = verdict.claims is not None
        click.secho(verdict.state.value, fg="green" if verdict.accepted else "yellow" if genuine else "red")
        for step in verdict.steps:
            mark = {True: "yes", False: "NO", None: "?"}[step.passed]
            click.echo(f"  {step.number}. {step.name}: {mark}{'  ' + step.reason if step.reason else ''}")
        if verdict.claims is not None:
            who = verdict.claims.identity
            click.echo(f"  {who.full_name}  {who.id}  {who.birth_date}".rstrip())
    if verdict.state is State.UNDETERMINED:
        raise click.exceptions.Exit(2)
    if not verdict.accepted:
        raise click.exceptions.Exit(1)


def _text(raw: bytes) -> str:
    """The text of a QR code, if that is what the file holds: Base45 has capitals, digits and a few signs."""
    try:
        text = raw.decode("ascii").strip("\r\n")
    except UnicodeDecodeError:
        return ""
    allowed = set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:")
    return text if text and set(text) <= allowed else ""
