"""From a voucher scheme to the pages of the office that gives it: pure, one function per page."""

from decimal import Decimal
from urllib.parse import quote

from msgspec import Struct

from msingi.kernel.money import Money
from msingi.payments.vouchers.model import Redemption, Scheme, ShopOrder, State, Voucher, Waiting
from msingi.payments.vouchers.store import Move
from msingi.portal import model as m
from msingi.portal import rules
from msingi.portal.model_bank import Fact
from msingi.portal.model_shared import Choice, Item, Listed, Section
from msingi.portal.routes_money import amount_field
from msingi.portal.visit import Visit

HOME = "/staff/vouchers"
CLERK_TASKS, BOSS_TASKS = ("issue", "cancel"), ("fund", "shop", "close")
TASKS = {**dict.fromkeys(CLERK_TASKS, "payment-clerk"), **dict.fromkeys(BOSS_TASKS, "payment-approver")}


class SchemeSeen(Struct, frozen=True, kw_only=True):
    """A scheme with everything that its page shows; `after` leads to older vouchers."""

    scheme: Scheme
    shops: list[ShopOrder]
    vouchers: list[Voucher]
    after: str
    taken: list[Redemption]
    waiting: list[Waiting]
    moves: list[Move]


def _worth(seen: Visit, label: str, minor: int, scheme: Scheme, *, strong: bool = False) -> Fact:
    """An amount, also of a currency that is not the country's."""
    words = seen.say(label) if label else ""
    if scheme.currency == seen.stack.profile.currency.code:
        return Fact(label=words, money=Money(minor, scheme.currency), strong=strong)
    return Fact(label=words, text=f"{Decimal(minor).scaleb(-scheme.digits):f} {scheme.currency}", strong=strong)


def overview(seen: Visit, found: list[Scheme], *, clerk: bool) -> Listed:
    """The schemes of the institution."""
    say = seen.say
    items = tuple(
        Item(
            title=f"{one.code} · {one.name}", state=say("givers.closed") if one.closed_at else say("givers.open"),
            good=one.closed_at is None,
            facts=(
                _worth(seen, "givers.free", one.funded_minor - one.allotted_minor, one, strong=True),
                _worth(seen, "givers.allotted", one.allotted_minor, one),
            ),
            choices=(Choice(label=say("givers.look"), href=f"{HOME}/{one.scheme_id}", strong=True),),
        )
        for one in found
    )  # fmt: skip
    begin = (Choice(label=say("givers.new"), href=f"{HOME}/new", strong=not found),) if clerk else ()
    return Listed(
        title=say("menu.givers"), lead=say("givers.lead"), back="/staff", back_label=say("menu.desk"), begin=begin,
        sections=(Section(title=say("givers.schemes"), items=items, empty=say("givers.none")),),
    )  # fmt: skip


def scheme(seen: Visit, told: SchemeSeen, roles: frozenset[str]) -> Listed:
    """One scheme: money, what the reader may do, shops, vouchers, what was taken, what went back."""
    say, one = seen.say, told.scheme
    at = f"{HOME}/{one.scheme_id}"
    tasks = [t for t, role in TASKS.items() if role in roles and one.closed_at is None]
    begin = [Choice(label=say(f"givers.{t}"), href=f"{at}/{t}", strong=t in ("issue", "fund")) for t in tasks]
    if told.after:
        begin.append(Choice(label=say("givers.older"), href=f"{at}?after={told.after}"))
    return Listed(
        title=f"{one.code} · {one.name}", back=HOME, back_label=say("menu.givers"), begin=tuple(begin),
        lead=say("givers.lead_closed") if one.closed_at else "",
        facts=(
            _worth(seen, "givers.funded", one.funded_minor, one),
            _worth(seen, "givers.allotted", one.allotted_minor, one),
            _worth(seen, "givers.free", one.funded_minor - one.allotted_minor, one, strong=True),
            Fact(label=say("givers.trust"), text=one.trust),
            Fact(label=say("givers.groups"), text=", ".join(one.groups)),
            Fact(label=say("givers.days"), text=str(one.days)),
        ),
        sections=(
            Section(
                title=say("givers.waiting"),
                items=tuple(_waiting(seen, one, w, clerk="payment-clerk" in roles) for w in told.waiting),
            ),
            Section(
                title=say("givers.vouchers"), items=tuple(_voucher(seen, one, v) for v in told.vouchers),
                empty=say("givers.no_vouchers"), close=True,
            ),
            Section(
                title=say("givers.shops"), empty=say("givers.no_shops"), close=True,
                items=tuple(Item(title=s.shop, facts=(Fact(label=", ".join(s.groups)),)) for s in told.shops),
            ),
            Section(
                title=say("givers.taken"), empty=say("givers.not_taken"), close=True,
                items=tuple(
                    Item(
                        title=f"{t.serial} → {t.shop}",
                        facts=(Fact(label=say("receipt.when"), at=t.at), _worth(seen, "", t.amount_minor, one)),
                    )
                    for t in told.taken
                ),
            ),
            Section(
                title=say("givers.moves"), close=True,
                items=tuple(
                    Item(
                        title=say("givers.went_back" if mv.is_return else "givers.put_in"),
                        facts=(Fact(label=say("receipt.when"), at=mv.at), _worth(seen, "", mv.amount, one)),
                    )
                    for mv in told.moves
                ),
            ),
        ),
    )  # fmt: skip


def _waiting(seen: Visit, one: Scheme, found: Waiting, *, clerk: bool) -> Item:
    """Vouchers of one issue: to be printed, and handed out."""
    say, at, issue = seen.say, f"{HOME}/{one.scheme_id}", found.issued_at.isoformat()
    choices = []
    if clerk and found.paper:
        href = f"{at}/sheet.pdf?issue={quote(issue)}"
        choices.append(Choice(label=say("givers.sheet"), href=href))
    if clerk:
        choices.append(Choice(label=say("givers.hand"), action=f"{at}/hand", hidden=(("issue", issue),), strong=True))
    return Item(
        title=say("givers.issue_of", count=found.vouchers),
        facts=(
            Fact(label=say("givers.issued"), at=found.issued_at),
            _worth(seen, "send.amount", found.amount_minor, one),
        ),
        choices=tuple(choices),
    )  # fmt: skip


def _voucher(seen: Visit, one: Scheme, found: Voucher) -> Item:
    return Item(
        title=found.serial, state=seen.say(f"voucher.state_{found.state.value}"),
        good=found.state in (State.ACTIVE, State.USED, State.WAITING),
        facts=(Fact(label=found.group), _worth(seen, "", found.left_minor, one)),
    )  # fmt: skip


def new_form(seen: Visit) -> m.Form:
    """What a scheme needs to begin."""
    say = seen.say
    fields = (
        m.Field(name="code", label=say("givers.code"), hint=say("givers.code_hint"), longest=12, autocomplete="off"),
        m.Field(name="name", label=say("givers.name"), hint=say("givers.name_hint"), longest=60),
        m.Field(
            name="payer", label=say("givers.payer"), kind="number", hint=say("freeze.account_hint"), longest=24,
            autocomplete="off",
        ),
        m.Field(name="groups", label=say("givers.groups"), hint=say("givers.groups_hint"), longest=200),
        m.Field(name="days", label=say("givers.days"), kind="number", value="90", longest=3),
    )  # fmt: skip
    return rules.filled(m.Form(fields), seen.fields) if seen.fields else m.Form(fields)


def task_form(seen: Visit, one: Scheme, task: str) -> m.Form:
    """The questions of one thing to do in a scheme."""
    say = seen.say
    group = m.Field(
        name="group", label=say("voucher.group"), kind="select", options=tuple((g, g) for g in one.groups),
        value=one.groups[0],
    )  # fmt: skip

    def serial(name: str, label: str) -> m.Field:
        return m.Field(name=name, label=say(label), kind="number", longest=25, autocomplete="off")

    all_or_none = (("*", say("givers.all_groups")), ("-", say("givers.strike")))
    fields: tuple[m.Field, ...] = {
        "fund": (amount_field(seen),),
        "issue": (
            group, amount_field(seen),
            m.Field(name="count", label=say("givers.count"), kind="number", hint=say("givers.count_hint"), longest=4,
                    optional=True),
            m.Field(name="people", label=say("givers.people"), kind="file", hint=say("givers.people_hint"),
                    optional=True, accept=".txt,.csv,text/plain,text/csv"),
        ),
        "cancel": (serial("first", "givers.serial"),),
        "shop": (
            m.Field(name="shop", label=say("givers.shop_number"), kind="number", longest=20, autocomplete="off"),
            m.Field(name="group", label=say("voucher.group"), kind="select", value=one.groups[0],
                    options=(*((g, g) for g in one.groups), *all_or_none)),
        ),
        "close": (),
    }[task]  # fmt: skip
    return rules.filled(m.Form(fields), seen.fields) if seen.fields else m.Form(fields)
