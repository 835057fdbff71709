"""`msingi tour`: the whole main job against a running stack, through the doors that everybody uses, and told aloud."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import click

from msingi.cli import sample
from msingi.cli.running import home_option
from msingi.cli.tour_steps import Steps


@click.command()
@home_option
@click.option("--rows", type=click.IntRange(1, 5000), default=5000, show_default=True, help="Rows of FEBRL 3 to enrol.")
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), help="Folder for what the tour downloads.")
def tour(home: Path, rows: int, keep: Path | None) -> None:
    """Do the whole main job against the stack that runs on HOME, and tell what happens.

    Start the stack first, with a sample: msingi up --home HOME --sample 1000. The tour signs in as people of the
    sample, an officer, a clerk and an approver; it leaves real traces, like any visitor. Exit code 0: all of it worked.
    """
    known = sample.load(home)
    folder = keep or home / "tour"
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_tour(Steps(home, known, folder, rows)))


async def _tour(steps: Steps) -> None:
    began = time.perf_counter()
    plan: list[tuple[str, Callable[[], Awaitable[None]]]] = [
        ("Enrol: dirty data, known duplicates", steps.enrol),
        ("Card: printed, and verified without a network", steps.card),
        ("Sign in: number, PIN, and a code by text message", steps.sign_in),
        ("Pay: a ministry pays people, and one sends on", steps.pay),
        ("Health: refused, consented, answered, withdrawn, refused", steps.health),
        ("Who looked at my data: every access, with proof", steps.accesses),
        ("Evidence: figures from operations, with privacy", steps.evidence),
        ("The books and the log: checked from the first entry", steps.check),
    ]
    async with steps:
        for number, (title, act) in enumerate(plan, 1):
            click.secho(f"\n{number}. {title}", bold=True)
            await act()
    click.secho(f"\nAll of it worked, in {time.perf_counter() - began:.0f} s.", fg="green", bold=True)
    click.echo(f"What was downloaded lies in {steps.folder}.")
