"""`msingi audit`: an auditor's check of a whole log, from any machine, with public keys and nothing else."""

import json
import sys
from pathlib import Path

import click

# What each finding means, for whoever is no engineer.
MEANS = {
    "changed": "What this entry says is not what was written. It was changed afterwards.",
    "deleted": "An entry was taken out, and the later ones were moved up to hide the gap.",
    "reordered": "Entries were exchanged: what came first now seems to have come later.",
    "history-changed": "Between two heads that the log signed, something was changed, taken out, put in or exchanged.",
    "not-as-kept": "Your own earlier copy and today's differ here. Both are in your folder, today's under `differs`.",
    "tree-changed": "The sums of this part do not fit its entries: one or the other was changed.",
    "tile-missing": "A part of the copy was not delivered, or was cut off.",
    "bundle-broken": "A part of the copy is damaged beyond reading.",
    "cut-off": "The log once signed a longer history than it shows today: the newest entries were taken away.",
    "fork": "The log signed two histories that exclude each other. No accident does that.",
    "head-broken": "A signed head that was given or kept is not signed by this log's key, or was damaged.",
    "quorum": "Too few witnesses vouch for the newest head: perhaps they are away, perhaps they refuse.",
    "timestamp-wrong": "The time stamp is not of this head, or not by this authority.",
}
NEXT = """What to do: run the audit again, because a broken connection or disk looks alike. If it says the same, keep
this folder or one made with --keep, note day and address, and ask a witness or another auditor what they hold: two
copies that differ, each with the log's signature, are proof for a court. Tell the regulator, not only the operator."""


@click.command()
@click.argument("copy")
@click.option("--vkey", multiple=True, help="Verifier key of the log, or of a witness; as often as needed.")
@click.option(
    "--trust",
    "trust_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File of the public keys (from /.well-known/msingi-trust.json), instead of --vkey.",
)
@click.option(
    "--seen",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A head or a proof that somebody holds: the copy must contain the same history.",
)
@click.option(
    "--keep", type=click.Path(path_type=Path, file_okay=False), help="Folder to keep a copy in, with all heads seen."
)
@click.option(
    "--authority",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="PEM file of the time-stamping authority's certificates: check its time stamps, too.",
)
@click.option("--quorum", default=0, type=click.IntRange(0), help="How many witnesses must have cosigned the head.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def audit(
    copy: str,
    vkey: tuple[str, ...],
    trust_file: Path | None,
    seen: tuple[Path, ...],
    keep: Path | None,
    authority: Path | None,
    quorum: int,
    as_json: bool,
) -> None:
    """Check COPY, a log's address (https://.../log) or a folder with its tiles: every entry, tile and signed head.

    \b
    msingi audit https://example.gov/log --trust msingi-trust.json --keep log-copy

    What was changed, removed, moved or cut off is named with its place and explained, and two histories signed by the
    same log are shown as a fork. With --keep each run compares with what earlier ones kept. Exit code 0: sound. 1: not.
    2: no copy.
    """
    from msingi import trust
    from msingi.kernel.log import note, outsider, timestamps

    try:
        vkeys = [note.parse_vkey(text) for text in (*vkey, *(trust.read(trust_file).log if trust_file else ()))]
    except note.NoteBroken as why:
        raise click.ClickException(f"A verifier key is wrong: {why}.") from None
    if not vkeys:
        raise click.UsageError("Give the log's public keys: --vkey or --trust.")
    shown = sys.stderr.isatty()

    def progress(done: int, of: int) -> None:
        if shown and (done % 25_600 == 0 or done == of):
            click.echo(f"\r{done:,} of {of:,}", nl=done >= of, err=True)

    web = copy.startswith(("http://", "https://"))
    if not web and not Path(copy).is_dir():
        raise click.ClickException(f"{copy} is neither an address nor a folder.")
    place = outsider.Address(copy) if web else outsider.Folder(Path(copy))
    trusted = timestamps.roots(str(authority)) if authority else ()
    held = [_head_of(file) for file in seen]
    try:
        found = outsider.audit(place, vkeys, held, outsider.Folder(keep) if keep else None, quorum, trusted, progress)
    except outsider.NoCopy as why:
        click.secho(f"Nothing to audit: {why}.", fg="red", err=True)
        raise click.exceptions.Exit(2) from None
    if as_json:
        click.echo(json.dumps(trust.readable(found), indent=1, ensure_ascii=False))
    else:
        _tell(found)
    if found.problems:
        raise click.exceptions.Exit(1)


def _head_of(file: Path) -> str:
    """The signed head in a file: a note, or the end of a proof."""
    text = file.read_text("utf-8")
    return text.partition("\n\n")[2] if text.startswith("c2sp.org/tlog-proof@v1\n") else text


def _tell(found: "object") -> None:
    from msingi.kernel.log.outsider import Report

    assert isinstance(found, Report)
    click.echo(f"{found.origin}: {found.size} entries, {found.heads} signed heads")
    click.echo(f"cosigned by {', '.join(found.cosigned) or 'no witness whose key was given'}")
    if found.stamped:
        size = max(found.stamped)
        click.echo(f"{len(found.stamped)} time stamps hold, the newest over {size} entries: {found.stamped[size]}")
    for problem in found.problems:
        click.secho(f"{problem.where}: {problem.text} ({problem.code})", fg="red")
    if found.unlisted:
        click.secho(f"and {found.unlisted} more", fg="red")
    for one, other in found.forks:
        click.echo(f"\nTwo heads that the log signed and that contradict each other:\n\n{one}\n{other}")
    if not found.problems:
        click.secho("sound: nothing was changed, removed, moved or forked", fg="green")
        return
    click.secho("\nNOT SOUND: this is not the history that the log signed, or not all of it.\n", fg="red")
    for code in dict.fromkeys(problem.code for problem in found.problems):
        click.echo(f"{code}: {MEANS[code]}")
    click.echo(f"\n{NEXT}")
