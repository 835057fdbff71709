"""Sign-in: doing with one factor what needs two, guessing, and staying in after being put out."""

from typing import Any

import pytest
from tests.portal.conftest import PIN, Surfer

from msingi.kernel.context import Actor, Kind, context, job_context
from msingi.kernel.stack import Stack
from msingi.signin import acts as signin
from msingi.signin import limits, rules
from msingi.signin.answers import acts as answers
from msingi.signin.errors import TooManyTries
from msingi.signin.model import NewStaff, Place, Question, Verdict
from msingi.signin.provider.model import ACR


async def _with_one_factor(surfer: Surfer, login: str) -> None:
    """Begin at the portal, ask the provider for less in the address, and type the PIN alone."""
    begun = await surfer.http.get("/sign-in", follow_redirects=False)
    less = begun.headers["location"].replace("acr%3A2", "acr%3A1")
    assert less != begun.headers["location"] and ACR[1].endswith("acr:1")
    await surfer.open(less)
    await surfer.send("/signin/pin", login=login, pin=PIN)


async def test_the_portal_wants_the_factors_that_it_asked_for(town: Any, surf: Any) -> None:
    """The request for two factors travels through the browser; who holds only a PIN could take it out."""
    thief = surf()
    await _with_one_factor(thief, town.asha.number)
    assert (await thief.open("/me")).url.path != "/me"
    assert "Asha" not in thief.text


async def _asks_for_a_code(surfer: Surfer, person: Any) -> int:
    await surfer.open("/sign-in")
    status = (await surfer.send("/signin/pin", login=person.number, pin=PIN)).status_code
    await surfer.stack.outbox.drain(surfer.stack)  # one by one, so that the owner's own code is the newest later on
    return status


async def test_a_thrown_away_cookie_gives_no_further_codes(town: Any, surf: Any) -> None:
    """Six codes with five tries each are 30 guesses at a million; with a new cookie each time they had no end."""
    own = surf()
    await own.sign_in(town.baraka.number, town.baraka.phone)
    told = [await _asks_for_a_code(surf(), town.baraka) for _ in range(rules.SMS_TRIES + 2)]
    assert told == [200] * rules.SMS_TRIES + [429] * 2
    # Whoever has the PIN has not locked the owner out of a device on which the owner signed in before.
    await own.http.get("/oauth/logout")
    own.http.cookies.delete("msingi-session")
    await own.sign_in(town.baraka.number, town.baraka.phone)
    assert own.path == "/me"


async def test_a_right_code_clears_the_count(town: Any, surf: Any) -> None:
    """Signing in seven times a day is no attack."""
    own = surf()
    for _ in range(rules.SMS_TRIES + 1):
        own.http.cookies.delete("msingi-session")
        await own.sign_in(town.asha.number, town.asha.phone)
        assert own.path == "/me"


async def test_one_pin_for_many_people(stack: Stack, town: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A popular PIN tried on everybody fails once for each: the network is closed to new devices, for a while."""
    monkeypatch.setattr(limits, "NETWORK_TRIES", 5)
    spraying = Place(b"new", "192.0.2.0/24")

    async def tried(login: str, place: Place) -> Verdict:
        return (await signin.verify_pin(stack, signin.proving(), login, "1357", place, "test")).verdict

    assert {await tried(f"1000000000{n:02}", spraying) for n in range(5)} == {Verdict.WRONG}
    assert await tried("100000000099", spraying) is Verdict.LOCKED
    right = await signin.verify_pin(stack, signin.proving(), town.asha.number, PIN, spraying, "test")
    assert right.verdict is Verdict.LOCKED and 0 < right.retry_after_s <= limits.NETWORK_WINDOW_S
    elsewhere = Place(b"new", "198.51.100.0/24")
    assert await tried("100000000098", elsewhere) is Verdict.WRONG


async def test_a_role_that_was_taken_away_is_gone_at_once(stack: Stack, town: Any, surf: Any) -> None:
    """Access tokens are renewed for twelve hours with the roles of the sign-in."""

    def with_role(role: str) -> NewStaff:
        return NewStaff(
            staff_id="judge-2",
            institution="rita",
            roles=frozenset({role}),
            name="Judge Two",
            phone="+255612000077",
            pin=PIN,
        )

    ctx = job_context("setup", "operations")
    await signin.add_staff(stack, ctx, with_role("adjudicator"))
    judge = surf()
    await judge.sign_in("judge-2", "+255612000077")
    assert (await judge.open("/staff/duplicates")).status_code == 200
    await signin.add_staff(stack, ctx, with_role("auditor"))
    await judge.open("/staff/duplicates")
    assert judge.path.startswith("/signin")


async def test_a_new_pin_puts_everybody_out(stack: Stack, town: Any, surf: Any) -> None:
    """Who lost a PIN gets a new one at the centre; the thief's session must not outlive it."""
    thief = surf()
    await thief.sign_in(town.asha.number, town.asha.phone)
    await signin.set_pin(stack, job_context("setup", "operations"), town.asha.id, PIN)
    await thief.open("/me")
    assert thief.path.startswith("/signin")


async def test_an_institution_does_not_learn_which_numbers_exist(stack: Stack, town: Any) -> None:
    """Somebody's number was refused after six codes or five proofs, nobody's never."""
    asking = Actor(Kind.CLIENT, "bank", "benki", frozenset({"authenticate"}), 1)
    nobody = "100000000016"
    written = (nobody, "1000 0000 0016", "1000-0000-0016", " 100000000016", "100 000 000 016", "10-00000000-16", nobody)

    async def told(numbers: Any, pin: str = "") -> list[str]:
        told = []
        for number in numbers:
            ctx, question = context(asking, "identity-proofing", "contract"), Question(number=number, pin=pin)
            try:
                if pin:
                    await answers.answer(stack, ctx, question)
                else:
                    await answers.send_answer_code(stack, ctx, question, "en", "The bank")
                told.append("taken")
            except TooManyTries:
                told.append("no")
        return told

    assert await told([town.baraka.number] * 7) == await told(written) == ["taken"] * 6 + ["no"]
    assert await told([town.baraka.number] * 6, "1357") == await told(written[:6], "1357") == ["taken"] * 5 + ["no"]
