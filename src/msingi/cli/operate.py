"""Commands of an operator: check, back up, restore, look for trouble, explain decisions, turn keys."""

import asyncio
import json
import sys
import tarfile
import time
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import click

from msingi.cli.running import CHOICES, Server, at_work, home_option, recalled
from msingi.kernel import context as contexts
from msingi.kernel import policy as policies
from msingi.kernel.context import BASES, PURPOSES, Actor, Kind
from msingi.kernel.keys import SIGNING
from msingi.kernel.stack import keystore_of


@click.command()
@home_option
def fsck(home: Path) -> None:
    """Check the whole log and all the books, and say what is wrong.

    Recomputes every tile, root and signature of the transparency log, ties every record to the tree, adds up every
    posting, and follows the hash chain of the ledger. Exit code 1 if anything was changed, removed or reordered.
    """
    if asyncio.run(_fsck(home)):
        raise click.exceptions.Exit(1)


async def _fsck(home: Path) -> int:
    from msingi.kernel.log import sequencer
    from msingi.kernel.log import store as log_store
    from msingi.kernel.log.audit import check_log
    from msingi.payments.audit import batch_roots, check_books

    wrong = 0
    async with at_work(home) as stack:
        await sequencer.catch_up(stack)
        shown = sys.stderr.isatty()

        def progress(done: int, of: int) -> None:
            if shown:
                click.echo(f"\r{done:,} of {of:,}", nl=done >= of, err=True)

        async def entries() -> AsyncIterator[bytes]:
            async with stack.db.plumbing() as conn:
                head = await log_store.newest(conn)
                async for entry in log_store.every_entry(conn, head.size if head else 0):
                    yield entry

        began = time.perf_counter()
        books = await check_books(stack.db, entries=entries(), progress=progress)
        wrong += _tell("books", books, began)
        began = time.perf_counter()
        found = await check_log(stack, batch_roots=await batch_roots(stack.db), progress=progress)
        wrong += _tell("log", found, began)
    return wrong


def _tell(title: str, findings: Any, began: float) -> int:
    for line in findings.wrong:
        click.secho(f"{title}: {line}", fg="red")
    verdict = "no fault found" if findings.ok else f"{len(findings.wrong)} faults"
    click.echo(f"{title}: {findings.summary}; {verdict} ({time.perf_counter() - began:.1f} s)")
    return len(findings.wrong)


@click.command()
@home_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, writable=True))
def backup(home: Path, file: Path) -> None:
    """Write the database and the encrypted keystore into FILE (a tar), while the stack runs.

    The keystore stays encrypted; its passphrase is not in the backup. Keep `keystore.secret`, or the passphrase you
    set, in another place: without it the backup cannot be read.
    """
    settings = recalled(home)
    server = Server(settings)
    try:
        dump = asyncio.run(_pg_dump(server))
    finally:
        server.stop()
    with tarfile.open(file, "w") as tar:
        for name, raw in (
            ("database.dump", dump),
            ("keystore", (home / "keystore").read_bytes()),
            (CHOICES, (home / CHOICES).read_bytes() if (home / CHOICES).exists() else b"{}"),
        ):
            member = tarfile.TarInfo(name)
            member.size, member.mode, member.mtime = len(raw), 0o600, int(time.time())
            tar.addfile(member, BytesIO(raw))
    file.chmod(0o600)
    click.echo(f"{file}: {file.stat().st_size / 1e6:.1f} MB. Keep {home / 'keystore.secret'} in another place.")


async def _run(server: Server, program: str, *args: str, raw: bytes | None = None) -> bytes:
    from msingi.kernel.postgres import program_path

    running = await asyncio.create_subprocess_exec(
        str(program_path(program)),
        *args,
        stdin=asyncio.subprocess.PIPE if raw is not None else None,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await running.communicate(raw)
    if running.returncode:
        raise click.ClickException(f"{program} failed: {err.decode(errors='replace').strip()[:400]}")
    return out


async def _pg_dump(server: Server) -> bytes:
    return await _run(server, "pg_dump", "--format=custom", "--compress=3", f"--dbname={server.owner_url}")


@click.command()
@home_option
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--secret", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="The keystore.secret.")
def restore(home: Path, file: Path, secret: Path | None) -> None:
    """Make the new HOME from the backup FILE. HOME must not hold a stack yet.

    Afterwards `msingi fsck` checks the whole log and all the books of what came back.
    """
    if (home / "keystore").exists() or (home / "pg").exists():
        raise click.ClickException(f"{home} holds a stack already; give another --home.")
    home.mkdir(parents=True, exist_ok=True)
    parts = {name: raw for name, raw in _members(file)}
    lacking = {"database.dump", "keystore"} - parts.keys()
    if lacking:
        raise click.ClickException(f"{file} is not a backup: it lacks {', '.join(sorted(lacking))}.")
    for name in ("keystore", CHOICES):
        (home / name).write_bytes(parts.get(name, b"{}"))
        (home / name).chmod(0o600)
    if secret is not None:
        (home / "keystore.secret").write_bytes(secret.read_bytes())
        (home / "keystore.secret").chmod(0o600)
    settings = recalled(home)
    keystore_of(settings)  # a wrong passphrase is told before the database is written
    server = Server(settings)
    try:
        asyncio.run(_pg_restore(server, parts["database.dump"]))
    finally:
        server.stop()
    click.echo(f"{home} is ready. Check it with: msingi fsck --home {home}")


def _members(file: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(file) as tar:
            for member in tar.getmembers():
                content = tar.extractfile(member) if member.isfile() else None
                if content is not None:
                    yield member.name, content.read()
    except tarfile.TarError as wrong:
        raise click.ClickException(f"{file} is not a backup: {wrong}") from None


async def _pg_restore(server: Server, dump: bytes) -> None:
    from msingi.kernel.postgres import ensure_app_role

    await ensure_app_role(server.owner_url)
    await _run(server, "pg_restore", "--exit-on-error", f"--dbname={server.owner_url}", raw=dump)


@click.command()
@home_option
@click.argument("number")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder to write.")
def export(home: Path, number: str, out: Path) -> None:
    """Give the person with this identity NUMBER a full copy of all that the stack holds, in open formats.

    Identity as JSON, money as CSV, health as FHIR, consents as ISO/IEC TS 27560, and every access as JSON lines. The
    export is itself an act that the person sees.
    """
    from msingi.cli.copy import write_copy

    for line in asyncio.run(write_copy(home, number.replace(" ", ""), out)):
        click.echo(line)


@click.command()
@home_option
def doctor(home: Path) -> None:
    """Look for what is wrong with this machine or this stack, and say how to mend it."""
    from msingi.cli.doctor import examine

    bad = 0
    for finding in asyncio.run(examine(home)):
        mark, colour = {"good": ("ok", "green"), "warn": ("look", "yellow"), "bad": ("BAD", "red")}[finding.state]
        bad += finding.state == "bad"
        click.secho(f"{mark:>5}  ", fg=colour, nl=False)
        click.echo(f"{finding.what}{'  ' + finding.remedy if finding.remedy else ''}")
    if bad:
        raise click.exceptions.Exit(1)


@click.group()
def policy() -> None:
    """Say why an act is allowed or refused."""


@policy.command()
@click.argument("act")
@click.option("--kind", type=click.Choice([k.value for k in Kind]), default="person", show_default=True)
@click.option("--role", "roles", multiple=True, help="A role of the actor; can be repeated.")
@click.option("--institution", default="", help="The actor's institution.")
@click.option("--purpose", type=click.Choice(sorted(PURPOSES)), required=True)
@click.option("--basis", type=click.Choice(sorted(BASES)), required=True)
@click.option("--assurance", type=click.IntRange(0, 2), default=2, show_default=True, help="Factors proved.")
@click.option("--own/--other", default=True, show_default=True, help="Is the actor the only subject?")
@click.option("--fact", "facts", multiple=True, metavar="NAME=VALUE", help="A further fact that rules can weigh.")
def explain(
    act: str,
    kind: str,
    roles: tuple[str, ...],
    institution: str,
    purpose: str,
    basis: str,
    assurance: int,
    own: bool,
    facts: tuple[str, ...],
) -> None:
    """Say what the rules in force decide about ACT (such as payments.transfer), and which rule decides it."""
    from msingi import app
    from msingi.kernel.ids import PersonId, uuid7

    rules = app.load_policies()
    person = PersonId(uuid7())
    name = act if kind == "job" else str(person)
    actor = Actor(Kind(kind), name, institution, frozenset(roles), assurance)
    ctx = contexts.context(actor, purpose, basis)
    subjects = (person,) if own else (PersonId(uuid7()),)
    decision = policies.weigh(ctx, act, subjects, dict(_fact(f) for f in facts))
    if decision.allowed:
        click.secho("allowed", fg="green", nl=False)
        click.echo(f" by: {'; '.join(decision.rules)}")
        return
    click.secho("refused", fg="red", nl=False)
    click.echo(f": {'; '.join(decision.rules or decision.errors) or 'no rule allows it'}")
    if rules.texts.get(act):
        click.echo("\nThese rules speak of it:\n")
        for text in rules.texts[act]:
            click.echo(f"{text}\n")


def _fact(text: str) -> tuple[str, str | int | bool]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter(f"{text}: write NAME=VALUE", param_hint="--fact")
    if value in ("true", "false"):
        return name, value == "true"
    return name, int(value) if value.lstrip("-").isdigit() else value


@click.group()
def keys() -> None:
    """List, rotate and retire keys; nothing stops while you do."""


@keys.command("list")
@home_option
@click.option("--json", "as_json", is_flag=True, help="As a JSON object of JWK sets.")
def list_keys(home: Path, as_json: bool) -> None:
    """Show the public keys that verifiers must accept, newest first."""
    store = keystore_of(recalled(home))
    if as_json:
        click.echo(json.dumps({name: {"keys": store.public(name)} for name in SIGNING}, indent=2))
        return
    for name, algorithm in SIGNING.items():
        for place, jwk in enumerate(store.public(name)):
            click.echo(f"{name:12} {algorithm:8} {jwk['kid']}  {'signs' if place == 0 else 'verifies'}")


@keys.command()
@home_option
@click.argument("name", type=click.Choice(sorted(SIGNING)))
def rotate(home: Path, name: str) -> None:
    """Make a new version of the key NAME; the older ones stay published. Restart the stack to sign with it."""
    click.echo(keystore_of(recalled(home)).rotate(name).kid)


@keys.command()
@home_option
@click.argument("name", type=click.Choice(sorted(SIGNING)))
@click.argument("kid")
def retire(home: Path, name: str, kid: str) -> None:
    """Publish the old version KID of the key NAME no longer: what it signed is then refused."""
    keystore_of(recalled(home)).retire(name, kid)
    click.echo(f"{name} {kid}: retired")
