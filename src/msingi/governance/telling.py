"""Tells a person by text message that a case has moved, unless the person moved it.

The message says which case and where to look, never what it is about or how it ended: whoever holds the phone may be
somebody else. The words are in `sms.toml`, in the language of the case.
"""

import logging
import tomllib
from functools import cache
from importlib.resources import files

import msgspec

from msingi.channels import acts as channels
from msingi.governance.model import CaseMoved, Stage, State
from msingi.identity import acts as identity
from msingi.kernel.context import job_context
from msingi.kernel.errors import Erased, NotFound
from msingi.kernel.outbox import SmsRequested
from msingi.kernel.stack import Stack

logger = logging.getLogger("msingi.governance")
WHY = "case"


@cache
def texts() -> dict[str, dict[str, str]]:
    """What is said, by language."""
    return tomllib.loads((files("msingi.governance") / "sms.toml").read_text("utf-8"))


def said(moved: CaseMoved, default: str) -> str:
    """What the message says; empty where nothing is to be told."""
    if moved.by == "person":
        return ""
    known = texts()
    words = known.get(moved.language) or known.get(default) or known["en"]
    if moved.state is State.CLOSED:
        key = "closed"
    elif moved.state is State.ANSWERED:
        key = "answered"
    elif moved.by == "office":
        key = "wrote"
    else:
        key = "escalated" if moved.stage is Stage.AUTHORITY and not moved.late else "late"
    return words[key].format(reference=moved.reference)


async def tell(stack: Stack, payload: bytes) -> None:
    """A case moved: send the message. A failure makes the outbox try again, so it may come twice rather than never."""
    moved = msgspec.json.decode(payload, type=CaseMoved)
    text = said(moved, stack.profile.languages[0])
    if not text:
        return
    try:
        reader = job_context("case-news", "redress", "legal-obligation")
        phone = (await identity.read_person(stack, reader, moved.person_id)).demographics.phone
    except (NotFound, Erased):
        return  # nobody is left to be told
    if phone:
        await channels.deliver(stack, job_context("outbox"), SmsRequested(phone, text, WHY))
