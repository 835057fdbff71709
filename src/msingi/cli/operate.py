"""Commands of an operator: check, back up, restore, look for trouble, explain decisions, turn keys."""

import asyncio
import json
import os
import shutil
import sys
import tarfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click

from msingi.cli.running import CHOICES, Server, at_work, connected, home_option, recalled
from msingi.kernel import context as contexts
from msingi.kernel import policy as policies
from msingi.kernel.context import BASES, PURPOSES, Actor, Kind
from msingi.kernel.keys import SIGNING
from msingi.kernel.settings import Settings
from msingi.kernel.stack import Stack, keystore_of


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
    from msingi.payments.audit import money_under_way
    from msingi.payments.homes import databases, open_shards

    wrong = 0
    async with at_work(home) as stack:
        if _books_here(stack):
            await open_shards(stack)
        for database in databases(stack):
            where = "" if database is stack else f" of {database.settings.origin}"
            wrong += await _fsck_database(database, where)
        problem = await money_under_way(stack) if _books_here(stack) else ""
        if problem:
            click.secho(f"books: {problem} (transit)", fg="red")
            wrong += 1
        for database in databases(stack)[1:]:
            await database.db.close()
    return wrong


async def _fsck_database(stack: Stack, where: str) -> int:
    """The books and the log of one database; how many things are wrong."""
    from msingi.kernel.log import sequencer
    from msingi.kernel.log import store as log_store
    from msingi.kernel.log.audit import check_log
    from msingi.kernel.log.note import NoteBroken
    from msingi.payments.audit import batch_roots, check_books

    wrong = 0
    try:
        await sequencer.catch_up(stack)
    except (sequencer.LogBroken, NoteBroken) as broken:
        # What exactly was changed stands below; nothing may be signed on top of it.
        click.secho(f"log{where}: {broken}; the stack signs nothing more on top of it (log-broken)", fg="red")
        wrong += 1
    shown = sys.stderr.isatty()

    def progress(done: int, of: int) -> None:
        if shown:
            click.echo(f"\r{done:,} of {of:,}", nl=done >= of, err=True)

    async def entries() -> AsyncIterator[bytes]:
        # Batches that were read while the stack went on must have their place before they are looked up.
        with suppress(sequencer.LogBroken, NoteBroken):
            await sequencer.catch_up(stack)
        async with stack.db.plumbing() as conn:
            head = await log_store.newest(conn)
            async for entry in log_store.every_entry(conn, head.size if head else 0):
                yield entry

    began, roots = time.perf_counter(), None
    if _books_here(stack):
        books = await check_books(stack.db, entries=entries(), progress=progress)
        wrong += _tell(f"books{where}", books, began)
        began, roots = time.perf_counter(), await batch_roots(stack.db)
    else:
        click.echo(f"books{where}: on the machine that runs payments; check them there with msingi fsck")
    found = await check_log(stack, batch_roots=roots, progress=progress)
    return wrong + _tell(f"log{where}", found, began)


def _books_here(stack: Stack) -> bool:
    """Whether this machine runs payments, so that the books are its own."""
    return "payments" not in stack.db.elsewhere


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
    if not (home / "keystore").exists():
        raise click.ClickException(f"{home} holds no stack. Start one with: msingi up --home {home}")
    server = Server(recalled(home))
    dump, draft = (file.with_name(f"{file.name}.{end}") for end in ("dump", "new"))
    try:
        with _private(dump), _private(draft):
            asyncio.run(_run(server, "pg_dump", "--format=custom", "--compress=3", f"--file={dump}"))
            with tarfile.open(draft, "w") as tar:
                for name in ("keystore", CHOICES):
                    tar.addfile(*_member(name, (home / name).read_bytes() if (home / name).exists() else b"{}"))
                tar.add(dump, "database.dump", filter=_nameless)
            draft.replace(file)
    finally:
        server.stop()
    click.echo(f"{file}: {file.stat().st_size / 1e6:.1f} MB. Keep {home / 'keystore.secret'} in another place.")


@contextmanager
def _private(file: Path) -> Iterator[None]:
    """A file of ours that nobody else may read, from its first byte; it is gone afterwards."""
    file.unlink(missing_ok=True)
    file.touch(0o600, exist_ok=False)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _member(name: str, raw: bytes) -> tuple[tarfile.TarInfo, BytesIO]:
    member = tarfile.TarInfo(name)
    member.size, member.mode, member.mtime = len(raw), 0o600, int(time.time())
    return member, BytesIO(raw)


def _nameless(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member


async def _run(server: Server, program: str, *args: str) -> None:
    """Run a PostgreSQL program on the stack's database. Raises click.ClickException with what it said first."""
    from msingi.kernel.postgres import program_path

    url = urlsplit(server.owner_url)
    # The password goes by the environment: every user of the machine can read another program's arguments.
    env = os.environ | ({"PGPASSWORD": unquote(url.password)} if url.password else {})
    place = url._replace(netloc=url.netloc.replace(f":{url.password or ''}@", "@", 1)).geturl()
    running = await asyncio.create_subprocess_exec(
        str(program_path(program)), f"--dbname={place}", *args,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=env,
    )  # fmt: skip
    _, err = await running.communicate()
    if running.returncode:
        said = " ".join(err.decode(errors="replace").split())
        raise click.ClickException(f"{program} failed: {said[:400]}")


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
    there = set(home.iterdir()) if home.exists() else None
    home.mkdir(parents=True, exist_ok=True)
    try:
        _restore(home, file, secret)
    except BaseException:
        # Nothing half restored is left, so that the next try with the right file is not refused.
        for path in set(home.iterdir()) - (there or set()):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        if there is None:
            home.rmdir()
        raise
    click.echo(f"{home} is ready. Check it with: msingi fsck --home {home}")


def _restore(home: Path, file: Path, secret: Path | None) -> None:
    _unpack(file, home)
    if secret is not None:
        (home / "keystore.secret").write_bytes(secret.read_bytes())
        (home / "keystore.secret").chmod(0o600)
    settings = recalled(home)
    keystore_of(settings)  # a wrong passphrase is told before the database is written
    server = Server(settings)
    try:
        asyncio.run(_fill(settings, server, home / "database.dump"))
    finally:
        server.stop()
    (home / "database.dump").unlink()


def _unpack(file: Path, home: Path) -> None:
    """Put the parts of a backup into `home`. Raises click.ClickException for anything else than a backup."""
    wanted = {"keystore", CHOICES, "database.dump"}
    try:
        with tarfile.open(file) as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() and member.name in wanted else None
                if content is not None:
                    (home / member.name).touch(0o600)
                    with (home / member.name).open("wb") as out:
                        shutil.copyfileobj(content, out)
                    wanted.discard(member.name)
    except (tarfile.TarError, EOFError) as wrong:
        first = str(wrong).partition("\n")[0].rstrip(":")
        raise click.ClickException(f"{file} is not a backup, or not a whole one: {first}") from None
    lacking = wanted - {CHOICES}
    if lacking:
        raise click.ClickException(f"{file} is not a backup: it lacks {', '.join(sorted(lacking))}.")


async def _fill(settings: Settings, server: Server, dump: Path) -> None:
    """Fill the empty database, all or nothing, and write the trust file that goes with it."""
    from msingi import trust
    from msingi.kernel.postgres import ensure_app_role

    await ensure_app_role(server.owner_url)
    await _run(server, "pg_restore", "--exit-on-error", "--single-transaction", str(dump))
    stack = await connected(settings, server)
    try:
        await trust.write(stack)
    finally:
        await stack.close()


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
