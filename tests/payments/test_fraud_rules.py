"""Law 2 of the fraud desk: verdicts follow from rules and facts; compared with a model that knows no shortcut."""

import asyncio
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from types import SimpleNamespace
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from msingi import countries
from msingi.countries import shipped
from msingi.kernel import clock
from msingi.kernel.context import Kind as Who
from msingi.kernel.errors import Refusal
from msingi.payments.fraud import rulebook, rules, watch
from msingi.payments.fraud.model import Answer, Came, CaseState, Facts, Kind, Paid, Rule
from msingi.payments.model import Order

SECOND = 1_000_000
amounts = st.integers(1, 40)
windows = st.integers(1, 30)


@st.composite
def a_rule(draw, place: int = 0) -> Rule:
    kind = draw(st.sampled_from(list(Kind)))
    figures = {
        Kind.COUNT: {"window_s": draw(windows), "most": draw(st.integers(1, 4))},
        Kind.SUM: {"window_s": draw(windows), "most_minor": draw(st.integers(1, 120))},
        Kind.BELOW: {
            "window_s": draw(windows), "most": draw(st.integers(1, 3)), "bound_minor": draw(amounts),
            "share": draw(st.integers(1, 100)),
        },
        Kind.THROUGH: {
            "window_s": draw(windows), "payers": draw(st.integers(1, 3)), "share": draw(st.integers(1, 100)),
            "each_minor": draw(amounts),
        },
        Kind.WATCHED: {"why": ("new-device",), "over_minor": draw(st.integers(0, 40))},
        Kind.STRANGER: {"over_minor": draw(amounts)},
    }[kind]  # fmt: skip
    answer = draw(st.sampled_from((Answer.REVIEW, Answer.REFUSE)))
    return Rule(code=f"r{place}", kind=kind, answer=answer, told=f"t{place}", text={}, **figures)


@st.composite
def some_facts(draw) -> Facts:
    now = 100 * SECOND
    times = sorted(draw(st.lists(st.integers(60, 100), max_size=8)))
    paid = [Paid(t * SECOND, draw(amounts), draw(st.integers(1, 3))) for t in times]
    came = [Came(t * SECOND, draw(amounts), draw(st.integers(1, 4))) for t in times]
    watched = frozenset(draw(st.sets(st.sampled_from(("new-device", "sanctions")))))
    return Facts(now, draw(amounts), 1, paid, came, watched, draw(st.booleans()))


def naive(rule: Rule, facts: Facts) -> bool:
    """What a rule means, said as plainly as possible: everything is looked through, in fractions."""
    window = [p for p in facts.paid if facts.at_us - p.at_us < rule.window_s * SECOND]
    arrived = [c for c in facts.came if facts.at_us - c.at_us < rule.window_s * SECOND and c.amount >= rule.each_minor]

    def near(amount: int) -> bool:
        return Fraction(rule.share, 100) * rule.bound_minor <= amount < rule.bound_minor

    return {
        Kind.COUNT: len(window) + 1 > rule.most,
        Kind.SUM: sum(p.amount for p in window) + facts.amount > rule.most_minor,
        Kind.BELOW: near(facts.amount) and 1 + sum(near(p.amount) for p in window) >= rule.most,
        Kind.THROUGH: len({c.payer for c in arrived}) >= rule.payers
        and facts.amount >= Fraction(rule.share, 100) * sum(c.amount for c in arrived),
        Kind.WATCHED: facts.amount > rule.over_minor and any(why in facts.watched for why in rule.why),
        Kind.STRANGER: facts.stranger and facts.amount > rule.over_minor,
    }[rule.kind]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 3).flatmap(a_rule), max_size=4), some_facts())
def test_law_2_verdicts_agree_with_a_naive_model(found, facts):
    book = [structs.replace(rule, code=f"r{n}", told=f"t{n}") for n, rule in enumerate(found)]
    hits = [rule for rule in book if naive(rule, facts)]
    verdict = rules.weigh(book, facts)
    assert verdict.rules == tuple(rule.code for rule in hits)
    strict = [rule for rule in hits if rule.answer is Answer.REFUSE] or hits
    assert (verdict.answer, verdict.told) == ((strict[0].answer, strict[0].told) if strict else (Answer.ALLOW, ""))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 3).flatmap(a_rule), max_size=4), some_facts())
def test_law_2_what_is_easy_is_what_no_rule_speaks_of(book, facts):
    for less in (facts, structs.replace(facts, came=[], watched=frozenset(), stranger=False)):
        if rules.is_easy(rules.ease(book), less):
            assert not any(naive(rule, less) for rule in book)


class Desk:
    """A watch without a database: whoever is stopped is refused, and the journal is empty."""

    def __init__(self, book: list[Rule]) -> None:
        written = rulebook.read(countries.load("taifa"))
        assert written is not None
        self.watch = watch.Watch(SimpleNamespace(), structs.replace(written, rules=tuple(book)))  # type: ignore[arg-type]

    async def long_way(self, order: Order) -> Refusal | None:
        return await self.watch.admit((order,))

    async def either_way(self, order: Order) -> Refusal | None:
        return None if self.watch.passes(order) else await self.watch.admit((order,))


async def _stopped(*_: object) -> Refusal:
    return Refusal("stopped")


async def _nothing(*_: object) -> tuple[list[Paid], list[Came]]:
    return [], []


async def _never(*_: object) -> bool:
    return False


@given(
    st.lists(a_rule(), max_size=3),
    st.lists(st.tuples(st.integers(1, 3), st.integers(4, 5), amounts, st.booleans(), st.integers(0, 9)), max_size=25),
    st.sampled_from((0, 3)),
)
@settings(max_examples=80, deadline=None)
def test_law_2_the_short_way_through_the_gate_admits_what_the_long_way_admits(book, wanted, last_day):
    person = SimpleNamespace(act="payments.transfer", context=SimpleNamespace(actor=SimpleNamespace(kind=Who.PERSON)))
    short, long = Desk(book), Desk(book)
    ledger = SimpleNamespace(last_day=lambda _: last_day)

    async def both() -> None:
        for n, (payer, payee, amount, posted, again) in enumerate(wanted):
            one = UUID(int=max(0, n - again) if again > 7 else n)  # some are repetitions
            order = Order(one, payer, payer << 8, payee << 8, amount, "AAA", "P2P", b"", person, "")  # type: ignore[arg-type]
            with clock.freeze(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n)):
                told = [await short.either_way(order), await long.long_way(order)]
                assert (told[0] is None) == (told[1] is None)
                for desk in (short, long) if told[0] is None else ():
                    desk.watch.settle((order,), posted)

    with pytest.MonkeyPatch.context() as patched:
        for name, answer in (("stop", _stopped), ("history", _nothing), ("paid_before", _never)):
            patched.setattr(watch.stopping, name, answer)
        patched.setattr(watch.writer, "of", lambda *_: ledger)
        asyncio.run(both())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3).flatmap(a_rule), max_size=4), some_facts())
def test_what_stands_before_the_horizon_changes_nothing(book, facts):
    since = facts.at_us - rules.horizon_us(book)
    paid, came = list(facts.paid), list(facts.came)
    less = structs.replace(facts, paid=paid[rules.recent(paid, since) :], came=came[rules.recent(came, since) :])
    assert rules.weigh(book, less) == rules.weigh(book, facts)


@pytest.mark.parametrize("country", shipped())
def test_the_shipped_rules_are_whole(country):
    book = rulebook.read(countries.load(country))
    assert book is not None and {rule.kind for rule in book.rules} == set(Kind)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"most": 0}, "most: is needed"), ({"share": 3}, "share: means nothing"), ({"told": "x"}, "told"),
        ({"answer": "allow"}, "answer"), ({"text": {}}, "lacks the language"), ({"over_minor": -1}, "below zero"),
        ({"window_s": 10**9}, "window_s"), ({"speed": 1}, "speed"),
    ],
)  # fmt: skip
def test_a_wrong_rule_stops_the_start_and_is_named(change, told):
    whole = countries.load("taifa")
    bad = [rule | change if rule["code"] == "pace-hour" else rule for rule in whole.fraud["rules"]]
    with pytest.raises(rulebook.RulebookWrong) as wrong:
        rulebook.read(structs.replace(whole, fraud=whole.fraud | {"rules": bad}))
    assert told in str(wrong.value)


def test_a_country_without_rules_weighs_nothing():
    assert rulebook.read(structs.replace(countries.load("taifa"), fraud={})) is None
    stack = SimpleNamespace(local={}, profile=structs.replace(countries.load("taifa"), fraud={}))
    assert rulebook.of(stack) is None  # type: ignore[arg-type]


def test_law_6_nobody_confirms_alone():
    """Every way through the steps: a case is confirmed only by another officer than the one who proposed it."""
    people, start = ("a", "b"), (CaseState.OPEN, "", "")
    seen, todo = {start}, [start]
    while todo:
        state, taken, proposed = todo.pop()
        for step in ("take", "clear", "propose", "send-back", "confirm"):
            for who in people:
                after = rules.next_state(state, step, who, taken, proposed)
                if after is None:
                    continue
                if after is CaseState.CONFIRMED:
                    assert proposed and who != proposed
                here = (
                    after,
                    who if step == "take" else taken,
                    who if step == "propose" else "" if step == "send-back" else proposed,
                )
                if here not in seen:
                    seen.add(here)
                    todo.append(here)
    assert {state for state, _, _ in seen} == set(CaseState)
