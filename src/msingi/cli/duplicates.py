"""`msingi duplicates`: compare all records, or the rows of a file, by Splink on DuckDB."""

import asyncio
import csv
import json
import sys
from pathlib import Path

import click

from msingi.cli.running import at_work, home_option
from msingi.identity.sweep.model import Sweep
from msingi.kernel.errors import Refusal


@click.command()
@home_option
@click.option("--all", "everybody", is_flag=True, help="Compare all records of the register with each other.")
@click.option(
    "--file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="Compare the rows of this CSV file."
)
@click.option(
    "--mapping",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="TOML file that says which column is what; see docs/how-to/enrol-from-a-file.md.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="CSV file for what --file found.")
@click.option(
    "--table",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Parquet file for the rows of --file as records to compare elsewhere; nothing is compared here.",
)
@click.option("--people", type=click.IntRange(min=1), default=1_000_000, help="How many records --settings is for.")
@click.option(
    "--settings",
    type=click.Choice(["duckdb", "spark"]),
    help="Print the model as settings of Splink for this backend, with the functions that they use, and stop.",
)
def duplicates(
    home: Path,
    everybody: bool,
    file: Path | None,
    mapping: Path | None,
    out: Path | None,
    table: Path | None,
    people: int,
    settings: str | None,
) -> None:
    """Find people who are enrolled twice.

    With --all every pair that is alike waits at /staff/duplicates, with its reasons; two officers decide before
    anything changes. A run that was interrupted goes on where it was. With --file nobody is enrolled or held: the
    pairs are told, so that a delivery can be mended before it is enrolled.
    """
    if settings:
        from msingi.identity.sweep import linkage

        click.echo(json.dumps(linkage.model(settings, people), indent=1))
        return
    if everybody == (file is not None):
        raise click.UsageError("Say either --all or --file.")
    if file is not None and mapping is None:
        raise click.UsageError("--file needs --mapping.")
    if table is not None and file is None:
        raise click.UsageError("--table needs --file.")
    try:
        if file is None:
            asyncio.run(_all(home))
        elif mapping is not None and table is not None:
            asyncio.run(_table(home, file, mapping, table))
        elif mapping is not None:
            asyncio.run(_file(home, file, mapping, out))
    except Refusal as refusal:
        raise click.ClickException(f"{refusal.title}. {refusal.remedy}") from None


async def _all(home: Path) -> None:
    from msingi.cli.sample import setup
    from msingi.identity.sweep import acts

    async with at_work(home) as stack:
        with click.progressbar(length=1000, label="Comparing", file=sys.stderr) as bar:
            seen = 0

            def tick(state: Sweep) -> None:
                nonlocal seen
                now = 1000 * state.done // state.shares
                bar.update(now - seen)
                seen = now

            done = await acts.sweep(stack, setup("identity-registration"), tick)
    click.echo(
        f"{done.compared} records that share a search key compared: {done.pairs} pairs alike, "
        f"{done.opened} of them new in the queue at /staff/duplicates"
    )


async def _table(home: Path, file: Path, mapping: Path, table: Path) -> None:
    from msingi.identity import wire
    from msingi.identity.sweep import files, linkage

    columns = wire.mapping(mapping.read_text("utf-8"))
    with file.open(encoding="utf-8-sig", newline="") as text:
        async with at_work(home) as stack:
            records, faults = await files.records_of(stack, wire.read_csv(text, columns))
    linkage.write_table(records, str(table))
    table.chmod(0o600)
    for key, fault in faults:
        click.echo(f"{key}: {fault.code}: {fault}", err=True)
    click.echo(f"{len(records)} records in {table}, {len(faults)} rows cannot be read. It holds names: delete it.")


async def _file(home: Path, file: Path, mapping: Path, out: Path | None) -> None:
    from msingi.cli.sample import setup
    from msingi.identity import wire
    from msingi.identity.sweep import files

    columns = wire.mapping(mapping.read_text("utf-8"))
    with file.open(encoding="utf-8-sig", newline="") as text:
        total = sum(1 for _ in text) - 1
        text.seek(0)
        rows = wire.read_csv(text, columns)
        async with at_work(home) as stack:
            with click.progressbar(length=max(1, total), label="Comparing", file=sys.stderr) as bar:
                found, faults = await files.compare_file(stack, setup("identity-registration"), rows, bar.update)
    if out is not None:
        with out.open("w", encoding="utf-8", newline="") as sink:
            writer = csv.writer(sink)
            writer.writerow(["row", "alike to", "bits", "because"])
            writer.writerows((p.row, p.other or "the register", p.bits, "; ".join(p.reasons)) for p in found)
            writer.writerows((key, "", "", f"{fault.code}: {fault}") for key, fault in faults)
        click.echo(f"One line per pair: {out}")
    known = sum(not p.other for p in found)
    click.echo(
        f"{total} rows: {len(found) - known} pairs alike within the file, {known} rows alike to somebody in the "
        f"register, {len(faults)} rows cannot be read"
    )
