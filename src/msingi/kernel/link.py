"""A connection as the pool makes it; where Citus spreads the database, facts travel in messages of their own.

Citus passes a SET LOCAL on to the other machines by the text of the whole message in which it came, and with it
everything else in that message, which would then be done there too, once more for each fact. On one PostgreSQL the
beginning, the facts and the first statement stay one message.
"""

import re
from time import monotonic
from typing import Any

import asyncpg

_FACT = r"SET LOCAL [\w.]+ = E?'(?:[^'\\]|''|\\[\s\S])*'"
_HEAD = re.compile(r"(?:BEGIN; DISCARD PLANS; COMMIT; )?BEGIN[A-Z ]*")
_ALONE = "SET TRANSACTION READ ONLY; "
_FACTS = re.compile(rf"; ({_FACT}(?:; {_FACT})*)")


def parts(text: str) -> list[str]:
    """A message as those that Citus needs: the beginning, the facts, and the rest ("" where there is none).

    What is no beginning with facts stays whole.
    """
    head = _HEAD.match(text)
    facts = _FACTS.match(text, head.end()) if head else None
    if head is None or facts is None:
        return [text]
    return [head[0], facts[1], text[facts.end() :].removeprefix("; ")]


class Link(asyncpg.Connection):
    """A pooled connection that knows how old the plans of its statements can be."""

    apart = False  # whether the facts of a transaction need messages of their own

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.plans_from = [monotonic()]


class Apart(Link):
    """As any connection; a message that begins a transaction and sets its facts is sent in pieces."""

    apart = True

    async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
        """As asyncpg's; the status of the last statement."""
        if args:
            return await super().execute(query, *args, timeout=timeout)
        alone = query.startswith(_ALONE)
        if alone:
            query = f"BEGIN READ ONLY; {query.removeprefix(_ALONE)}"
        told = ""
        for part in parts(query):
            told = await super().execute(part, timeout=timeout) if part else told
        if alone:
            await super().execute("COMMIT", timeout=timeout)
        return told
