"""`msingi clients`: the software of institutions that may ask people to sign in, and ask yes/no questions."""

import asyncio
from pathlib import Path

import click
import msgspec

from msingi.cli.running import at_work, home_option
from msingi.kernel.context import job_context

EXAMPLE = """{"client_id": "health-portal", "name": "Health portal", "institution": "kliniki", "profile": "fapi",
 "jwks": [{"kty": "EC", "crv": "P-256", "x": "...", "y": "..."}], "redirect_uris": ["https://rp.example/back"],
 "scopes": ["openid", "profile", "authenticate"], "claims": ["name", "birthdate"]}"""


@click.group()
def clients() -> None:
    """List, register and retire the software of institutions.

    \b
    msingi clients list
    msingi clients add health-portal.json
    msingi clients retire health-portal
    """


@clients.command(name="list")
@home_option
@click.option("--institution", default="", help="Only the software of this institution.")
@click.option("--after", default="", help="Go on after this client id.")
def list_(home: Path, institution: str, after: str) -> None:
    """List registered software by id, 100 at a time."""

    async def run() -> None:
        from msingi.signin import acts

        async with at_work(home) as stack:
            found = await acts.list_clients(stack, job_context("operator"), after, 100, institution)
            for one in found:
                scopes = " ".join(sorted(one.scopes))
                click.echo(f"{one.client_id:24} {one.institution:14} {one.profile:13} {scopes:40} {one.name}")
            if len(found) == 100:
                click.echo(f"There may be more: --after {found[-1].client_id}")

    asyncio.run(run())


HELP = """Propose software from a JSON file, or a new registration of it, to the operators at /staff/clients.

Only while no operator has an account is it in force at once."""


@clients.command(help=f"{HELP}\n\n\b\n{EXAMPLE}")
@home_option
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
def add(home: Path, file: Path) -> None:
    """Propose software from a JSON file, or a new registration of it."""
    from msingi.signin.errors import BadRegistration
    from msingi.signin.model import Client

    try:
        new = msgspec.json.decode(file.read_bytes(), type=Client)
    except msgspec.DecodeError as wrong:
        raise click.ClickException(f"{file}: {wrong}. It looks like this:\n{EXAMPLE}") from None

    async def run() -> bool:
        from msingi.signin import acts

        async with at_work(home) as stack:
            ctx = job_context("operator")
            if await acts.has_operator(stack, ctx):
                await acts.propose_client(stack, ctx, new)
                return False
            await acts.add_client(stack, ctx, new)
            return True

    try:
        in_force = asyncio.run(run())
    except BadRegistration as wrong:
        raise click.ClickException(f"{file}: {wrong.facts.get('rule', wrong)}") from None
    if in_force:
        click.echo(
            f"{new.client_id} of {new.institution} is registered. No operator has an account yet who could agree."
        )
    else:
        click.echo(f"{new.client_id} of {new.institution} is proposed: an operator puts it in force at /staff/clients.")


@clients.command()
@home_option
@click.argument("client_id")
def retire(home: Path, client_id: str) -> None:
    """Let the software CLIENT_ID be used no longer; its tokens run out within minutes."""

    async def run() -> bool:
        from msingi.signin import acts

        async with at_work(home) as stack:
            return await acts.retire_client(stack, job_context("operator"), client_id)

    if not asyncio.run(run()):
        raise click.ClickException(f"No software is registered as {client_id}.")
    click.echo(f"{client_id} is retired.")
