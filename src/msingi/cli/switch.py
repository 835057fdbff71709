"""`msingi switch`: who takes part in the country's switch, and what one proposes about it; an officer decides."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from msingi.cli.running import at_work, home_option
from msingi.kernel.context import Context, job_context
from msingi.kernel.errors import Refusal

if TYPE_CHECKING:
    from msingi.kernel.stack import Stack
    from msingi.payments.switch.model import Proposal

T = TypeVar("T")


@click.group()
def switch() -> None:
    """List who takes part in the switch, and propose changes; an officer of the central bank approves each.

    \b
    msingi switch members
    msingi switch join mobile-1 --institution mobile --name "Mobile One" \\
        --key mobile-1.pem --endpoint https://mobile.example/fspiop --currency TZS
    msingi switch cover mobile-1 TZS 5000000
    msingi switch limit mobile-1 TZS 4000000
    msingi switch convert mobile-1 TZS USD
    msingi switch waiting
    """


def _work(home: Path, does: "Callable[[Stack, Context], Awaitable[T]]") -> T:
    async def run() -> T:
        async with at_work(home) as stack:
            return await does(stack, job_context("operator"))

    try:
        return asyncio.run(run())
    except Refusal as refused:
        facts = "; ".join(f"{name}: {value}" for name, value in refused.facts.items())
        words = f"{refused.title}{f' ({facts})' if facts else ''}. {refused.remedy}"
        raise click.ClickException(words) from None


@switch.command()
@home_option
@click.option("--after", default="", help="Go on after this participant.")
def members(home: Path, after: str) -> None:
    """List participants with cover, limit, what they owe and what is under way, 100 at a time."""
    from msingi.payments.switch import acts, rules

    found = _work(home, lambda stack, ctx: acts.participants(stack, ctx, after, 100))
    for one in found:
        click.echo(f"{one.fsp:24} {one.institution:14} {'takes part' if one.active else 'suspended':11} {one.name}")
        for now in one.standings:
            amounts = now.cover_minor, now.limit_minor, now.position_minor, now.reserved_minor
            told = [
                f"{name} {'-' if minor < 0 else ''}{rules.amount(abs(minor), one.digits[now.currency])}"
                for name, minor in zip(("cover", "limit", "owes", "under way"), amounts, strict=True)
            ]
            click.echo(f"  {now.currency}  {', '.join(told)}{'  CLOSE TO ITS LIMIT' if now.low else ''}")
        for pair in one.pairs:
            click.echo(f"  converts {pair.source} into {pair.target}")
    if len(found) == 100:
        click.echo(f"There may be more: --after {found[-1].fsp}")


@switch.command()
@home_option
def waiting(home: Path) -> None:
    """List what waits for an officer's decision, oldest first."""
    from msingi.payments.switch import deciding

    for one in _work(home, deciding.proposals):
        click.echo(_line(one))


def _line(one: "Proposal") -> str:
    wanted = one.wanted
    amount = f"{wanted.currency} {wanted.amount_minor} (minor units)" if wanted.currency else wanted.name
    if wanted.target:
        amount = f"{wanted.currency} into {wanted.target}"
    return f"{one.id}  {wanted.what:10} {wanted.fsp:24} {amount}  by {one.proposed_by}"


def _proposed(one: "Proposal") -> None:
    click.echo(_line(one))
    click.echo("Proposed. An officer of the central bank approves it at /staff/switch.")


@switch.command()
@home_option
@click.argument("fsp")
@click.option("--institution", required=True, help="Code of the institution.")
@click.option("--name", required=True, help="Full name.")
@click.option("--key", required=True, type=click.Path(path_type=Path, dir_okay=False, exists=True), help="PEM file.")
@click.option("--endpoint", required=True, help="Where its messages go: https://...")
@click.option("--currency", multiple=True, required=True, help="A currency that it settles in; may be repeated.")
@click.option("--speaks", default="any", type=click.Choice(["any", "fspiop", "iso20022"]), show_default=True)
def join(
    home: Path, fsp: str, institution: str, name: str, key: Path, endpoint: str, currency: tuple[str, ...], speaks: str
) -> None:
    """Propose that a participant joins, with its public RSA key."""
    from msingi.payments.switch import deciding
    from msingi.payments.switch.model import Speaks, Wanted, What

    pem = key.read_text("ascii", errors="replace")
    words = fsp, institution, name, pem, endpoint, tuple(code.upper() for code in currency)
    wanted = Wanted(What.JOIN, *words, speaks=Speaks(speaks))
    _proposed(_work(home, lambda stack, ctx: deciding.propose(stack, ctx, wanted)))


def _amount(home: Path, what: str, fsp: str, currency: str, amount: str) -> None:
    from msingi.payments.switch import deciding, rules, settling
    from msingi.payments.switch.model import Wanted, What

    async def propose(stack: "Stack", ctx: Context) -> "Proposal":
        settled = rules.settled_in(await settling.currencies(stack, ctx), currency.upper())
        minor = rules.minor(amount, settled.digits) if amount.strip("0.") else 0
        wanted = Wanted(What(what), fsp, currency=settled.currency, amount_minor=minor)
        return await deciding.propose(stack, ctx, wanted)

    _proposed(_work(home, propose))


@switch.command()
@home_option
@click.argument("fsp")
@click.argument("currency")
@click.argument("amount")
def cover(home: Path, fsp: str, currency: str, amount: str) -> None:
    """Say that cover has arrived at the settlement bank: AMOUNT as a plain decimal, such as 5000000 or 12.5."""
    _amount(home, "cover", fsp, currency, amount)


@switch.command()
@home_option
@click.argument("fsp")
@click.argument("currency")
@click.argument("amount")
def limit(home: Path, fsp: str, currency: str, amount: str) -> None:
    """Propose how much a participant may owe; never more than its cover."""
    _amount(home, "limit", fsp, currency, amount)


@switch.command()
@home_option
@click.argument("fsp")
@click.argument("currency")
@click.argument("amount")
def withdraw(home: Path, fsp: str, currency: str, amount: str) -> None:
    """Propose to pay cover out that no limit rests on."""
    _amount(home, "withdrawal", fsp, currency, amount)


@switch.command()
@home_option
@click.argument("fsp")
@click.argument("source")
@click.argument("target")
def convert(home: Path, fsp: str, source: str, target: str) -> None:
    """Propose that a participant converts SOURCE into TARGET, at rates of its own; it settles in both already."""
    from msingi.payments.switch import deciding
    from msingi.payments.switch.model import Wanted, What

    wanted = Wanted(What.CONVERT, fsp, currency=source.upper(), target=target.upper())
    _proposed(_work(home, lambda stack, ctx: deciding.propose(stack, ctx, wanted)))
