"""What an officer of a bank is always asked: the account that it is about, and on what ground; and who an officer is.

Whoever stops an account, wakes one or serves at the counter answers the same two questions, and the holder reads the
second.
"""

from msingi.portal import model as m
from msingi.portal.visit import Visit

ROLE = "account-officer"
LONGEST_REASON = 120


def account(seen: Visit, name: str = "account", label: str = "freeze.account") -> m.Field:
    """The number of an account."""
    return m.Field(
        name=name, label=seen.say(label), kind="number", hint=seen.say("freeze.account_hint"), longest=24,
        autocomplete="off",
    )  # fmt: skip


def ground(seen: Visit, section: str, name: str = "reason", longest: int = LONGEST_REASON) -> m.Field:
    """Why it is done, in the words of a section of texts (`<name>` and `<name>_hint`)."""
    return m.Field(
        name=name, label=seen.say(f"{section}.{name}"), hint=seen.say(f"{section}.{name}_hint"), longest=longest,
        autocomplete="off",
    )  # fmt: skip
