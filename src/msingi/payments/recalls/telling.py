"""What our customer is told by text message about a recall: in her language, each thing once."""

import tomllib
from functools import cache
from importlib.resources import files

from msingi.kernel.context import job_context
from msingi.kernel.db import Row
from msingi.kernel.errors import Refusal
from msingi.kernel.stack import Stack
from msingi.payments.bank import telling
from msingi.payments.disputes.store import person as whose
from msingi.payments.switch import roll


@cache
def _texts() -> dict[str, dict[str, str]]:
    return tomllib.loads((files("msingi.payments.recalls") / "telling.toml").read_text("utf-8"))


async def bank_name(stack: Stack, fsp: str) -> str:
    """The name of a participant, as customers read it."""
    known = (await roll.of(stack)).fsps.get(fsp)
    return known.name if known else fsp


async def tell(stack: Stack, row: Row, what: str, amount: int = 0) -> None:
    """Tell our customer that something happened; nobody where an institution is, or no phone is known."""
    person = whose(row["person"])
    if person is None:
        return
    bank = await bank_name(stack, row["other"])
    blanks = {"amount": telling.written(stack, amount or row["amount"], row["currency"]), "bank": bank}
    said = {tongue: texts[what].format(**blanks) for tongue, texts in _texts().items()}
    teller = job_context(telling.JOB, "payment", "legal-obligation")
    try:
        await telling.tell_person(stack, teller, person, said, f"recall/{row['recall_id']}/{what}/{amount}")
    except Refusal:
        return  # nobody to be told by phone: the page says it
