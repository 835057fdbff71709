"""`msingi kinds`: types of credentials that institutions describe, without code."""

import asyncio
import tomllib
from pathlib import Path
from typing import Any

import click
import msgspec

from msingi.cli.running import at_work, home_option

EXAMPLE = """{"kind": "fishing-permit", "institution": "hazina", "name": {"sw": "Kibali", "en": "Fishing permit"},
 "formats": ["dc+sd-jwt"], "claims": [{"path": ["lake"], "name": {"sw": "Ziwa", "en": "Lake"}, "required": true}]}"""


@click.group()
def kinds() -> None:
    """List and check types of credentials; an institution describes its own at /staff/kinds, or in a file.

    \b
    msingi kinds list
    msingi kinds check fishing-permit.json --country taifa
    """


@kinds.command(name="list")
@home_option
def list_(home: Path) -> None:
    """List the types in force: those of the country, and those that institutions described."""

    async def run() -> None:
        from msingi.credentials.issuance import kinds as known

        async with at_work(home) as stack:
            for one in sorted((await known.known(stack)).by_name.values(), key=lambda k: (k.institution, k.kind)):
                forms = " ".join(one.configuration(form).partition(".")[2] for form in one.formats)
                more = " haip" if one.haip else ""
                click.echo(f"{one.institution:14} {one.kind:24} {forms:16} {len(one.claims):3} claims{more}")

    asyncio.run(run())


@kinds.command(help=f"Check a description against a country, and name every rule that it breaks.\n\n\b\n{EXAMPLE}")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--country", default="taifa", show_default=True, help="A shipped country's code, or a profile folder.")
def check(file: Path, country: str) -> None:
    """Check a description against a country, and name every rule that it breaks."""
    from msingi import countries
    from msingi.credentials.issuance import kinds as known
    from msingi.credentials.issuance.errors import KindWrong

    try:
        raw = file.read_bytes()
        described: Any = tomllib.loads(raw.decode()) if file.suffix == ".toml" else msgspec.json.decode(raw)
        kind = known.read(described)
    except (msgspec.DecodeError, UnicodeDecodeError, tomllib.TOMLDecodeError) as wrong:
        raise click.ClickException(f"{file}: {wrong}. It looks like this:\n{EXAMPLE}") from None
    except KindWrong as wrong:
        raise click.ClickException(f"{file}: {wrong.facts.get('rule')}") from None
    wrong = known.mistakes(kind, countries.load(country))
    for rule in wrong:
        click.echo(rule, err=True)
    if wrong:
        raise click.ClickException(f"{len(wrong)} rules are broken.")
    click.echo(f"{kind.kind} of {kind.institution} is well described: propose it at /staff/kinds.")
