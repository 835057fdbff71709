"""The command `msingi`: everything an operator, an engineer or an auditor does from a terminal.

Each command is loaded only when it is used, so that `msingi --help` answers at once and heavy libraries stay away.
"""

import gc
import sys
from importlib import import_module

import click

from msingi import __version__

# name -> (module, attribute, one line for the overview)
COMMANDS = {
    "up": ("msingi.cli.up", "up", "Start the whole stack, with a sample country at first start."),
    "gateway": ("msingi.cli.gateway", "gateway", "Answer messages of the exchange, in processes of their own."),
    "consumer": ("msingi.cli.consumer", "consumer", "Let software that was written for X-Road use the exchange."),
    "tour": ("msingi.cli.tour", "tour", "Do the whole main job against a running stack, and tell what happens."),
    "enrol": ("msingi.cli.people", "enrol", "Enrol the people of a CSV file; probable duplicates wait for a decision."),
    "duplicates": ("msingi.cli.duplicates", "duplicates", "Find people who are enrolled twice; officers decide."),
    "packet": ("msingi.cli.packet", "packet", "Enrol people offline, in signed packets, and hand them in later."),
    "pay": ("msingi.cli.people", "pay", "Pay the people named in an ISO 20022 payment file (pain.001)."),
    "verify": ("msingi.cli.verify", "verify", "Check a card, or a proof from the log, offline."),
    "fsck": ("msingi.cli.operate", "fsck", "Check the whole log and all the books."),
    "audit": ("msingi.cli.audit", "audit", "Check a copy of a log, with nothing but its public keys."),
    "witness": ("msingi.cli.witness", "witness", "Watch a log from outside, and sign that it only grew."),
    "backup": ("msingi.cli.operate", "backup", "Write database and keystore into one file."),
    "restore": ("msingi.cli.operate", "restore", "Make a new home from a backup."),
    "export": (
        "msingi.cli.operate",
        "export",
        "Give one person a full copy of all that the stack holds, in open formats.",
    ),
    "spread": ("msingi.cli.spread", "spread", "Spread the tables over the machines of a Citus cluster (on trial)."),
    "doctor": ("msingi.cli.operate", "doctor", "Look for what is wrong with this machine or this stack."),
    "policy": ("msingi.cli.operate", "policy", "Say why an act is allowed or refused."),
    "keys": ("msingi.cli.operate", "keys", "List, rotate and retire keys."),
    "clients": ("msingi.cli.clients", "clients", "List, register and retire the software of institutions."),
    "kinds": ("msingi.cli.kinds", "kinds", "List and check types of credentials that institutions describe."),
    "staff": ("msingi.cli.staff", "staff", "List accounts of staff, and close one."),
    "join": ("msingi.cli.join", "join", "Join an exchange as an institution, and ask it; no server is needed."),
    "switch": ("msingi.cli.switch", "switch", "Who takes part in the country's switch, and propose changes."),
    "move-room": ("msingi.cli.move_room", "move_room", "Move a room with its records to a machine of its own."),
    "peers": ("msingi.cli.peers", "peers", "Connect this installation to another one, or list those it knows."),
    "country": ("msingi.cli.country", "country", "List country profiles, and check one for mistakes."),
    "token": ("msingi.cli.token", "token", "Give a program of the sample an access token, to try the API with."),
    "room": ("msingi.cli.room", "room", "Scaffold a new building block with tests that say what is missing."),
}


class Lazy(click.Group):
    """A group that imports a command when it is named."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands, in the order of a first visit."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[cmd_name]
        return getattr(import_module(module), attribute)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, _, about) in COMMANDS.items()])


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="msingi")
def cli() -> None:
    """Msingi: a country's digital public infrastructure in one package.

    Start with `msingi up`, then `msingi tour` in a second terminal.
    """


def main() -> None:
    """Run the command line; an expected failure is one sentence and exit code 1, never a stack trace."""
    gc.set_threshold(10_000, 20, 50)  # a thousand modules are loaded, and stay: do not look through them all the time
    from msingi.countries import ProfileWrong
    from msingi.kernel.errors import Outage, Refusal

    try:
        code = cli(prog_name="msingi", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)  # click gives the code of its Exit back as the result
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(wrong.exit_code)
    except click.Abort:
        sys.exit(130)
    except Refusal as refusal:
        click.secho(f"{refusal.title}. {refusal.detail}".strip(), fg="red", err=True)
        facts = ", ".join(f"{name} {value}" for name, value in refusal.facts.items())
        click.echo(f"{refusal.remedy} ({refusal.code}{': ' + facts if facts else ''})", err=True)
        sys.exit(1)
    except ProfileWrong as wrong:
        for mistake in wrong.mistakes:
            click.secho(mistake, fg="red", err=True)
        sys.exit(1)
    except (Outage, ValueError, OSError) as trouble:
        click.secho(str(trouble), fg="red", err=True)
        click.echo("Run `msingi doctor` to look for the cause.", err=True)
        sys.exit(1)
