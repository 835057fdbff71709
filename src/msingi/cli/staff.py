"""`msingi staff`: who has an account, and closing one when somebody leaves."""

import asyncio
from pathlib import Path

import click

from msingi.cli.running import at_work, home_option


@click.group()
def staff() -> None:
    """Accounts of members of staff. Each of these commands leaves a leaf in the log, as on the operator's page."""


@staff.command("list")
@home_option
@click.option("--after", default="", help="Go on after this staff id.")
@click.option("--limit", default=200, show_default=True, type=click.IntRange(1, 200), help="How many to list.")
def list_(home: Path, after: str, limit: int) -> None:
    """List staff ids, institutions and roles in the order of the ids; closed accounts are marked."""
    from msingi.kernel.context import job_context
    from msingi.signin import acts

    async def look() -> None:
        async with at_work(home) as stack:
            for line in await acts.list_staff(stack, job_context("operator"), after, limit):
                state = "open  " if line.active else "closed"
                click.echo(f"{line.staff_id:<24} {state}  {line.institution:<20} {' '.join(line.roles)}")

    asyncio.run(look())


@staff.command()
@home_option
@click.argument("staff_id")
def close(home: Path, staff_id: str) -> None:
    """Close the account STAFF_ID: all that is signed in with it ends at once, and nobody signs in with it again.

    What the person did stays in the log. To open the account again, give the person a new one.
    """
    from msingi.kernel.context import job_context
    from msingi.signin import acts

    async def end() -> int:
        async with at_work(home) as stack:
            return await acts.close_staff(stack, job_context("operator"), staff_id)

    ended = asyncio.run(end())
    click.echo(f"The account {staff_id} is closed; {ended} {'session' if ended == 1 else 'sessions'} ended with it.")
