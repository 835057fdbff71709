"""What pages of savings groups and of rotating groups share: who is asked to join, and how they answer."""

from collections.abc import Callable

from msingi.payments.groups.model import Named
from msingi.portal import model as m
from msingi.portal.model_shared import Choice
from msingi.portal.visit import Visit


def member_fields(seen: Visit, numbers: range, needed: int, name: str, who: str) -> list[m.Field]:
    """A name and a number or phone for each member that is asked; the first `needed` may not be left out."""
    return [
        field
        for place, n in enumerate(numbers)
        for field in (
            m.Field(name=f"name{n}", label=seen.say(name, n=n), optional=place >= needed, longest=40),
            m.Field(
                name=f"who{n}", label=seen.say(who, n=n), kind="phone", optional=place >= needed, longest=40,
                autocomplete="off",
            ),
        )
    ]  # fmt: skip


def members(form: m.Form, numbers: range) -> list[Named]:
    """The members that the form names; half a line is nobody."""
    lines = ((form.value(f"who{n}"), form.value(f"name{n}")) for n in numbers)
    return [Named(who, name) for who, name in lines if who and name]


def answers(seen: Visit, action: str, join: str) -> tuple[Choice, Choice]:
    """Joining, or declining an invitation."""
    return (
        Choice(label=seen.say(join), action=action, hidden=(("accept", "yes"),), strong=True),
        Choice(label=seen.say("joint.decline"), action=action, hidden=(("accept", "no"),)),
    )


def whole_judge(seen: Visit) -> Callable[[str], str]:
    """What is wrong with a field for a whole number of at most three digits."""
    return lambda text: "" if text.isdecimal() and len(text) < 4 else seen.say("group.whole_number")
