"""The laws of the portal as pure functions: menus, paging, forms and their corrections."""

import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date

from msgspec.structs import replace

from msingi.kernel import money
from msingi.kernel.context import Actor, Kind
from msingi.kernel.errors import Malformed
from msingi.kernel.money import Currency
from msingi.portal.model import Field, Form, MenuItem

Say = Callable[..., str]
NEWS = frozenset(
    (
        "consent.granted_now",
        "consent.refused_now",
        "consent.withdrawn_now",
        "sessions.ended",
        "duplicate.done_same",
        "duplicate.done_different",
        "duplicate.done_proposed",
        "duplicate.done_apart",
        "exchange.said_done",
        "exchange.said_asked",
        "exchange.said_granted",
        "shop.said_registered",
        "shop.said_closed",
        "cash.said_stopped",
        "seizure.said_held",
        "seizure.said_paid",
        "seizure.said_lifted",
        "givers.said_opened",
        "givers.said_funded",
        "givers.said_issued",
        "givers.said_shop",
        "givers.said_closed",
        "givers.said_cancelled",
        "givers.said_nothing",
        "givers.said_handed",
        "freeze.said_stopped",
        "freeze.said_released",
        "bill.said_sent",
        "bill.said_refused",
        "bill.said_withdrawn",
        "standing.said_made",
        "standing.said_stopped",
        "agent.said_apart",
        "telling.said_kept",
        "uncollected.said_kept",
        "circle.said_founded",
        "circle.said_paid",
        "circle.said_turned",
        "circle.said_left",
        "circle.said_still_owing",
        "group.said_founded",
        "group.said_joined",
        "group.said_declined",
        "group.said_paid_in",
        "group.said_written",
        "group.said_asked",
        "group.said_too_early",
        "joint.said_invited",
        "joint.said_accepted",
        "joint.said_declined",
        "joint.said_proposed",
        "joint.said_signed",
        "joint.said_paid",
        "joint.said_not_paid",
        "joint.said_refused",
        "joint.said_left",
        "joint.said_not_empty",
        "children.said_opened",
        "children.said_paid",
        "programme.said_opened",
        "reconcile.said_settled",
        "reconcile.said_before",
        "programme.said_closed",
        "programme.said_cycle",
        "stopped.said_contested",
        "fraud.said_done",
        "dispute.said_opened",
        "dispute.said_answered",
        "dispute.said_further",
        "dispute.said_decided",
        "recall.said_asked",
        "estate.said_proposed",
        "estate.said_agreed",
        "estate.said_refused",
        "estate.said_closed",
        "recall.said_on_its_way",
        "product.said_opened",
        "teller.said_opened",
        "teller.said_tier",
        "teller.said_counted",
        "sleep.said_woken",
        "sleep.said_claimed",
        "sleep.said_proposed",
        "sleep.said_done",
        "sleep.said_refused",
        "rates.said_proposed",
        "rates.said_approved",
        "rates.said_taken_back",
        "rates.said_gone",
        "switch.said_done",
        "switch.said_proposed",
        "switch.said_refused",
        "switch.said_decided",
        "switch.said_own",
        "switch.said_over_cover",
        "switch.said_exists",
        "switch.said_closed",
        "switch.said_settled",
        "switch.said_not_ready",
    )
)
PERSON_MENU = (
    MenuItem("overview", "/me", "home"),
    MenuItem("card", "/me/card", "card"),
    MenuItem("wallet", "/me/wallet", "lock"),
    MenuItem("money", "/me/money", "money"),
    MenuItem("health", "/me/health", "health"),
    MenuItem("consents", "/me/consents", "consent"),
    MenuItem("accesses", "/me/accesses", "eye"),
    MenuItem("sessions", "/me/sessions", "phone"),
)
# What each page of the desk needs: one of these roles.
DESK_ROLES: dict[str, frozenset[str]] = {
    "enrol": frozenset({"enrolment-officer"}),
    "duplicates": frozenset({"adjudicator"}),
    "payments": frozenset({"payment-clerk", "payment-approver", "treasurer"}),
    "programmes": frozenset({"payment-clerk", "payment-approver", "treasurer"}),
    "givers": frozenset({"payment-clerk", "payment-approver", "treasurer", "auditor"}),
    "reconcile": frozenset({"treasurer", "auditor"}),
    "shops": frozenset({"account-officer"}),
    "rates": frozenset({"central-banker", "auditor"}),
    "switch": frozenset({"central-banker", "auditor"}),
    "freeze": frozenset({"account-officer"}),
    "seizures": frozenset({"account-officer"}),
    "estates": frozenset({"account-officer"}),
    "teller": frozenset({"account-officer"}),
    "sleepers": frozenset({"account-officer", "treasurer", "auditor"}),
    "disputes": frozenset({"account-officer"}),
    "fraud": frozenset({"compliance-officer"}),
    "awards": frozenset({"credential-officer"}),
    "institutions": frozenset({"governing-authority"}),
    "rights": frozenset({"exchange-operator", "data-steward", "governing-authority"}),
    "console": frozenset({"operator"}),
    "audit": frozenset({"auditor"}),
}
DESK_MENU = (
    MenuItem("desk", "/staff", "home"),
    MenuItem("enrol", "/staff/enrol", "people"),
    MenuItem("duplicates", "/staff/duplicates", "twins"),
    MenuItem("payments", "/staff/payments", "file"),
    MenuItem("programmes", "/staff/programmes", "people"),
    MenuItem("givers", "/staff/vouchers", "file"),
    MenuItem("reconcile", "/staff/reconcile", "file"),
    MenuItem("shops", "/staff/shops", "money"),
    MenuItem("switch", "/staff/switch", "twins"),
    MenuItem("rates", "/staff/rates", "chart"),
    MenuItem("teller", "/staff/teller", "money"),
    MenuItem("freeze", "/staff/freeze", "lock"),
    MenuItem("seizures", "/staff/seizures", "lock"),
    MenuItem("estates", "/staff/estates", "people"),
    MenuItem("sleepers", "/staff/sleepers", "lock"),
    MenuItem("disputes", "/staff/disputes", "consent"),
    MenuItem("fraud", "/staff/fraud", "eye"),
    MenuItem("awards", "/staff/credentials", "card"),
    MenuItem("institutions", "/staff/institutions", "home"),
    MenuItem("rights", "/staff/rights", "lock"),
    MenuItem("console", "/staff/console", "screen"),
    MenuItem("audit", "/staff/audit", "chart"),
)


def same(one: str, other: str) -> bool:
    """Whether two secrets are the same, found in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


def local(path: str, otherwise: str = "/") -> str:
    """A path of this site to go to next, or `otherwise`: never another site's, whatever the link says."""
    if re.fullmatch(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*", path) and len(path) < 1000:
        return path
    return otherwise


def menu_of(actor: Actor, waiting: int = 0) -> tuple[MenuItem, ...]:
    """The menu of a person, or of a member of staff by roles; `waiting` requests ask for a consent."""
    if actor.kind is Kind.STAFF:
        return tuple(i for i in DESK_MENU if i.name == "desk" or actor.roles & DESK_ROLES[i.name])
    return tuple(replace(i, count=waiting) if i.name == "consents" else i for i in PERSON_MENU)


def accepted(header: str, known: list[str]) -> str:
    """The best of the `known` languages for an Accept-Language header (RFC 9110, 12.5.4); else the first."""
    wishes: list[tuple[float, str]] = []
    for part in header.split(",")[:20]:
        tag, _, weight = part.strip().partition(";q=")
        try:
            wishes.append((float(weight or 1), tag.partition("-")[0].lower()))
        except ValueError:
            continue
    for _, tag in sorted(wishes, key=lambda w: -w[0]):
        if tag in known:
            return tag
    return known[0]


def filled(form: Form, sent: Mapping[str, str]) -> Form:
    """The form with what was sent, unjudged."""
    return Form(tuple(replace(f, value=_sent(f, sent)) for f in form.fields))


def _sent(field: Field, sent: Mapping[str, str]) -> str:
    if field.kind == "date":
        parts = [sent.get(f"{field.name}_{part}", "").strip() for part in ("year", "month", "day")]
        return "-".join(p.replace("-", "") for p in parts) if any(parts) else ""
    return sent.get(field.name, "")


def judged(form: Form, say: Say, checks: Mapping[str, Callable[[str], str]]) -> Form:
    """The form with a sentence at each answer that must be corrected.

    Every question that is not optional needs an answer; `checks` gives the sentence for an answer, or empty.
    """
    fields = []
    for field in form.fields:
        wrong = ""
        if not field.value:
            wrong = "" if field.optional or field.kind == "file" else _missing(field, say)
        elif field.longest and len(field.value) > field.longest:
            wrong = say("form.too_long", n=field.longest)
        elif field.options and field.value not in dict(field.options):
            wrong = say("form.not_choice")
        elif field.name in checks:
            wrong = checks[field.name](field.value)
        fields.append(replace(field, wrong=wrong))
    return Form(tuple(fields))


def _missing(field: Field, say: Say) -> str:
    return say("form.not_choice") if field.kind == "choice" else say("form.missing", label=field.label)


def with_wrong(form: Form, name: str, sentence: str) -> Form:
    """The form with something to correct at one question."""
    return Form(tuple(replace(f, wrong=sentence) if f.name == name else f for f in form.fields))


def amount_minor(text: str, currency: Currency, group: str = ",", point: str = ".") -> int:
    """Minor units of what a person typed, with or without groups and with the country's decimal sign.

    Raises Malformed. A sign that could be either group or decimal is read as the country writes it.
    """
    plain = re.sub(r"[\s\u00a0\u202f]", "", text)
    if group.strip():
        plain = plain.replace(group, "") if re.fullmatch(rf"\d{{1,3}}(\{group}\d{{3}})+(\D\d*)?", plain) else plain
    if point != "." and point in plain:
        plain = plain.replace(point, ".")
    return money.parse(plain.lstrip("0") if re.fullmatch(r"0+[1-9]\d*", plain) else plain, currency)


def amount_wrong(text: str, currency: Currency, group: str, point: str, say: Say) -> str:
    """The sentence for an amount that cannot be sent, or empty."""
    try:
        minor = amount_minor(text, currency, group, point)
    except Malformed:
        return say("form.not_amount", example="12000")
    return "" if minor > 0 else say("form.amount_small")


def phone_of(typed: str, prefix: str, digits: int) -> str:
    """The E.164 number meant by what was typed: with or without the country's prefix, or with a leading zero.

    Empty if it is none.
    """
    plain = re.sub(r"[\s().\u00a0-]", "", typed)
    own = re.fullmatch(rf"(?:\{prefix}|00{prefix[1:]}|{prefix[1:]}|0)?([0-9]{{{digits}}})", plain)
    if own:
        return prefix + own[1]
    return plain if re.fullmatch(r"\+[1-9][0-9]{6,14}", plain) else ""


def date_wrong(text: str, today: date, say: Say) -> str:
    """The sentence for a date (year-month-day as typed; parts may be missing from the right), or empty."""
    year, month, day = text.split("-")
    if not re.fullmatch(r"\d{4}", year) or (day and not month):
        return say("form.not_date")
    try:
        found = date(int(year), int(month or 1), int(day or 1))
    except (ValueError, OverflowError):
        return say("form.not_date")
    return say("form.date_future") if found > today else ""


def day_judge(say: Say) -> Callable[[str], str]:
    """What is wrong with a field for a whole day, be it past or to come."""

    def judge(text: str) -> str:
        try:
            date.fromisoformat(iso_date(text))
        except ValueError:
            return say("form.not_date")
        return ""

    return judge


def iso_date(text: str) -> str:
    """A judged date as ISO 8601, as far as it is known: YYYY, YYYY-MM or YYYY-MM-DD; empty for none."""
    parts = [p for p in text.split("-") if p] if text else []
    return "-".join(p.zfill(2) for p in parts)


def pages(items: Iterable[str], path: str, after: str, next_after: str) -> tuple[str, str]:
    """The addresses of the newer and the older page: cursors only go forward, so newer is the first page."""
    return (path if after else "", f"{path}?after={next_after}" if next_after else "")
