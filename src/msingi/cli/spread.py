"""`msingi spread`: let the tables of a migrated database stand on the machines of Citus."""

import asyncio
from collections import Counter

import click

from msingi.kernel.errors import Outage


@click.command()
@click.argument("owner_url")
def spread(owner_url: str) -> None:
    """Migrate the database at OWNER_URL and spread its tables over the machines of Citus, by the laws of the tables.

    The extension citus and its machines are there already (CREATE EXTENSION citus; citus_add_node). On trial: some
    fifty of a thousand statements do not run there yet; docs/decisions/0059-citus.md tells which.
    """
    from msingi.kernel import spreading
    from msingi.kernel.postgres import migrate

    async def run() -> spreading.Spread:
        await migrate(owner_url)
        return await spreading.spread(owner_url)

    try:
        found = asyncio.run(run())
    except Outage as outage:
        raise click.ClickException(str(outage)) from None
    counted = Counter(
        law if law in (spreading.LOCAL, spreading.REFERENCE) else "distributed"
        for table, law in found.laws.items()
        if table not in found.stayed
    )
    for law in ("distributed", spreading.REFERENCE, spreading.LOCAL):
        click.echo(f"{counted[law]:4} tables {law}")
    for table, why in sorted(found.stayed.items()):
        click.echo(f"     {table} stays on the coordinator: {why}")
