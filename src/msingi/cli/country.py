"""`msingi country`: list country profiles, begin a new one, and name every mistake in one."""

import shutil
from importlib.resources import as_file, files
from pathlib import Path

import click

from msingi import countries
from msingi.payments.bank import tariff


@click.group()
def country() -> None:
    """List country profiles, begin a new one, and check one for mistakes."""


@country.command("list")
def list_profiles() -> None:
    """Show the profiles that ship with the package."""
    for code in countries.shipped():
        profile = countries.load(code)
        names = " / ".join(profile.say(profile.name, lang) for lang in profile.languages)
        facts = f"{len(profile.regions)} regions, {profile.currency.code} with {profile.currency.digits} decimals"
        click.echo(f"{code:10} {names}\n{'':10} {', '.join(profile.languages)}; {facts}\n{'':10} {profile.synthetic}")


@country.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False, exists=True))
def check(folder: Path) -> None:
    """Name every mistake in the profile in FOLDER; exit code 1 if there is one."""
    profile = countries.read(folder)
    tariff.read(profile)
    click.secho(f"{profile.code}: no mistake found", fg="green")
    click.echo(
        f"{len(profile.regions)} regions, {len(profile.institutions)} institutions, {len(profile.purposes)} purposes"
    )


@country.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--like", type=click.Choice(countries.shipped()), default="taifa", show_default=True)
def new(folder: Path, like: str) -> None:
    """Begin a profile in FOLDER as a copy of a shipped one; then change it and run `msingi country check FOLDER`."""
    if folder.exists():
        raise click.ClickException(f"{folder} exists already; give another name.")
    with as_file(files("msingi.countries") / like) as source:
        shutil.copytree(source, folder)
    click.echo(f"{folder} is a copy of {like}. Change its files, then: msingi country check {folder}")
    click.echo(f"Start a stack with it: msingi up --country {folder}")
