"""Somebody who lost phone and PIN gets their account back at the counter, face to face, after two checks."""

from typing import Final

from msgspec.structs import replace

from msingi.counter import forms
from msingi.identity import acts as identity
from msingi.kernel.context import Context
from msingi.kernel.errors import Refusal
from msingi.kernel.ids import PersonId
from msingi.portal import page, rules
from msingi.portal.model import Field, Form
from msingi.portal.visit import Visit
from msingi.signin import acts as signin
from msingi.signin.model import CHECKS

MAY_CHANGE_PHONE: Final = "enrolment-officer"


def questions(seen: Visit) -> tuple[Field, ...]:
    """Two checks, a new phone where this officer may change it, and a PIN that the person types."""
    say = seen.say
    checks = tuple((check, say(f"counter.check_{check}")) for check in CHECKS)
    phone = forms.field(say, "new_phone", "phone", hint=say("counter.ask_new_phone_hint"), longest=30)
    pin = forms.field(
        say, "pin", "pin", hint=say("enrolled.pin_hint"), optional=False, longest=8, autocomplete="new-password"
    )
    return (
        forms.field(say, "check_one", "select", options=checks, optional=False),
        forms.field(say, "check_two", "select", options=checks, optional=False),
        *((phone,) if MAY_CHANGE_PHONE in seen.actor.roles else ()),
        pin,
    )


def judged(seen: Visit, form: Form) -> Form:
    """The form with a sentence at each answer that must be corrected; the same check twice is one check."""
    profile, say = seen.stack.profile, seen.say
    example = profile.phone_prefix + "712345678"[: profile.phone_digits]

    def phone(text: str) -> str:
        known = rules.phone_of(text, profile.phone_prefix, profile.phone_digits)
        return "" if known else say("form.not_phone", example=example)

    def other(text: str) -> str:
        return say("counter.same_check") if text == form.value("check_one") else ""

    return rules.judged(form, say, {"new_phone": phone, "check_two": other})


def without_pin(form: Form) -> Form:
    """The form as it may be shown again: a PIN that was typed is not sent back."""
    return Form(tuple(replace(f, value="") if f.kind == "pin" else f for f in form.fields))


async def recover(seen: Visit, ctx: Context, person_id: PersonId) -> str:
    """Give the account back; gives the sentence that tells until when weighty acts wait.

    The phone that was known hears of it first; only then is a new one written down. If that one is refused, the
    account is given back all the same, and the sentence says why. Raises what signin.recover raises.
    """
    stack, value = seen.stack, seen.fields.get
    checks = (value("check_one", ""), value("check_two", ""))
    until = await signin.recover(stack, ctx, person_id, value("pin", ""), checks)
    told = seen.say("counter.recovered", until=seen.words.moment(until, page.zone_of(stack.profile)))
    wanted = value("new_phone", "") if MAY_CHANGE_PHONE in seen.actor.roles else ""
    if not wanted:
        return told
    phone = rules.phone_of(wanted, stack.profile.phone_prefix, stack.profile.phone_digits)
    try:
        await identity.set_phone(stack, ctx, person_id, phone)
    except Refusal as refusal:
        return f"{told} {seen.say('counter.phone_not_changed')} {forms.told(seen, refusal)}"
    return f"{told} {seen.say('counter.phone_changed')}"
