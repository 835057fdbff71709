"""`msingi enrol` and `msingi pay`: files with many people."""

import asyncio
import csv
import sys
from pathlib import Path

import click

from msingi.cli.running import at_work, home_option
from msingi.identity.model import Enrolled, Held, Progress, RowOutcome
from msingi.kernel.context import Actor, Kind, context


@click.command()
@home_option
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--mapping",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="TOML file that says which column is what; see docs/how-to/enrol-from-a-file.md.",
)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="CSV file for one outcome per row.")
@click.option(
    "--source", help="Name of this delivery; the same row of it is enrolled once.  [default: the file's name]"
)
def enrol(home: Path, file: Path, mapping: Path, out: Path | None, source: str | None) -> None:
    """Enrol the people of the CSV FILE; probable duplicates are held for a person's decision.

    A run that was interrupted is resumed by running it again: rows that were dealt with are recognised. A row that is
    wrong is reported with its reason, and the others go on.
    """
    outcomes = asyncio.run(_enrol(home, file, mapping, source or file.name))
    if out is not None:
        with out.open("w", encoding="utf-8", newline="") as sink:
            writer = csv.writer(sink)
            writer.writerow(["row", "outcome", "number", "case", "reason"])
            writer.writerows(_line(o) for o in outcomes)
    counted = {
        "enrolled": sum(isinstance(o.outcome, Enrolled) for o in outcomes),
        "held as probable duplicates": sum(isinstance(o.outcome, Held) for o in outcomes),
        "refused": sum(o.refusal is not None for o in outcomes),
        "known from an earlier run": sum(o.repeated for o in outcomes),
    }
    click.echo(f"{len(outcomes)} rows: " + ", ".join(f"{n} {what}" for what, n in counted.items()))
    if out is not None:
        click.echo(f"One line per row: {out}")


def _line(o: RowOutcome) -> tuple[str, ...]:
    if isinstance(o.outcome, Enrolled):
        return o.key, "enrolled", o.outcome.number, "", ""
    if isinstance(o.outcome, Held):
        return o.key, "held", "", str(o.outcome.case_id), f"{o.outcome.alike} alike"
    return o.key, "refused", "", "", f"{o.refusal.code}: {o.refusal}" if o.refusal else ""


async def _enrol(home: Path, file: Path, mapping: Path, source: str) -> list[RowOutcome]:
    from msingi.cli.sample import setup
    from msingi.identity import acts, wire

    columns = wire.mapping(mapping.read_text("utf-8"))
    with file.open(encoding="utf-8-sig", newline="") as text:
        total = sum(1 for _ in text) - 1
        text.seek(0)
        rows = wire.read_csv(text, columns)
        async with at_work(home) as stack:
            with click.progressbar(length=max(1, total), label="Enrolling", file=sys.stderr) as bar:
                seen = 0

                def tick(progress: Progress) -> None:
                    nonlocal seen
                    bar.update(progress.done - seen)
                    seen = progress.done

                return await acts.enrol_many(stack, setup("identity-registration"), rows, source, tick, total=total)


@click.command()
@home_option
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--institution", required=True, help="Code of the institution that pays.")
@click.option("--clerk", required=True, help="Staff id of the one who hands the file in.")
@click.option("--approver", required=True, help="Staff id of the other one who approves it.")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Where to write the pain.002 report.")
def pay(home: Path, file: Path, institution: str, clerk: str, approver: str, report: Path | None) -> None:
    """Pay the people named in FILE, an ISO 20022 pain.001.001.09, each into their wallet.

    Two persons are needed: one hands the file in, another approves it; whoever runs this command on the machine of
    the stack vouches for both. Lines that cannot be paid are reported one by one; running it again pays nobody twice.
    """
    asyncio.run(_pay(home, file, institution, clerk, approver, report))


async def _pay(home: Path, file: Path, institution: str, clerk: str, approver: str, report: Path | None) -> None:
    from msingi.payments import files, working

    def who(staff: str, role: str) -> Actor:
        return Actor(Kind.STAFF, staff, institution, frozenset({role}), 2, staff)

    async with at_work(home) as stack:
        handing_in = context(who(clerk, "payment-clerk"), "social-protection", "public-task", channel="cli")
        approving = context(who(approver, "payment-approver"), "social-protection", "public-task", channel="cli")
        uploaded = await files.upload_payment_file(stack, handing_in, file.read_bytes())
        await files.approve_payment_file(stack, approving, uploaded.file_id)
        with click.progressbar(length=uploaded.lines, label="Paying", file=sys.stderr) as bar:
            done = await working.run_file(stack, uploaded.file_id, bar.update)
        click.echo(f"{done.lines} lines: {done.paid} paid, {done.rejected} rejected ({done.state})")
        if report is not None:
            report.write_bytes(await files.status_report(stack, handing_in, uploaded.file_id))
            click.echo(f"Status report (pain.002): {report}")
