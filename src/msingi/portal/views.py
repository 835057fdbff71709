"""From what the acts answer to what a person's pages show: pure, one function per page."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from itertools import groupby
from typing import Any
from uuid import UUID

from msingi.consent.model import Access as LogLine
from msingi.consent.model import Agreement, Consent, Request, State
from msingi.countries import Profile
from msingi.credentials.model import CardSummary
from msingi.evidence.model import NATION, Edition, Sex
from msingi.evidence.model import Indicator as SdgIndicator
from msingi.kernel.log import overview
from msingi.kernel.money import Currency, Money
from msingi.kernel.money import plain as plain_money
from msingi.kernel.stack import Stack
from msingi.payments.model import Account, Statement
from msingi.payments.model import Receipt as Paid
from msingi.portal import blocks
from msingi.portal import model as m
from msingi.portal import model_staff as d
from msingi.portal.words import Words
from msingi.signin.model import Agreement as SigninAgreement
from msingi.signin.model import Client
from msingi.signin.model import Session as SignedIn

KINDS = {"P2P": "transfer", "G2P": "bulk", "BULK": "bulk", "SALA": "bulk", "FEE": "fee", "ISSU": "opening"}
KINDS |= {"MERC": "shop", "CSHI": "cash", "CSHO": "cash", "COMM": "commission", "FEES": "fee"}
KINDS |= {"REVR": "back", "INTR": "interest", "BILL": "bill", "STDO": "standing", "UNCL": "unclaimed", "TAX": "tax"}
KINDS |= {"ESTA": "inheritance"}
OUTWARD = "OUTB"
KINDS |= dict.fromkeys(("SAVG", "LOAN", "AIDP", "SHRE"), "savings-group")


MemberNames = Mapping[str, Mapping[str, str]]  # names of members of the exchange, by code and language


class Speaker:
    """Words of one language and names of one country: what a log line or a code means to its reader."""

    def __init__(self, profile: Profile, words: Words, members: MemberNames | None = None) -> None:
        self.profile = profile
        self.words = words
        self.members: MemberNames = members or {}
        self._institutions = profile.named
        self._codes = {text: i.code for i in profile.institutions for text in i.name.values()}
        self._rules = {r.purpose: r for r in profile.purposes}

    def institution(self, code: str) -> str:
        """An institution's name; its code where neither the country nor the exchange knows it."""
        name = self._institutions.get(code) or self.members.get(code)
        return self.profile.say(name, self.words.language) if name else code

    def party(self, name: str) -> str:
        """The other side of a movement: an institution in the reader's language, anybody else as written."""
        return self.institution(self._codes.get(name, "")) or name

    def word(self, section: str, name: str) -> str:
        """A text named by a code; the code itself where there is none."""
        key = f"{section}.{name}"
        return self.words.plain(key) if self.words.has(key) else name

    def law(self, purpose: str, basis: str) -> str:
        """What the legal basis means, and the country's law for this purpose."""
        rule = self._rules.get(purpose)
        text = self.word("basis_text", basis)
        return f"{text} ({rule.law})" if rule and rule.law and basis != "consent" else text

    def who(self, line: LogLine, own: bool) -> str:
        """Who acted: the person, a named member of staff, an institution's software, or the system."""
        if own:
            return self.words.plain("words.yourself")
        if line.actor_kind == "public":
            return self.words.plain("words.anybody")
        if line.actor_kind == "job":
            return self.words.plain("words.system")
        if line.actor_kind == "client" or not line.actor:
            return self.institution(line.institution) or self.words.plain("words.unknown_person")
        return line.actor


SIGN_IN = frozenset(
    ("signin.verify-pin", "signin.send-code", "signin.verify-code", "signin.authorize", "signin.token", "signin.revoke")
)
OWN_LOOKS = frozenset(
    (
        "consent.accesses",
        "consent.access_proof",
        "consent.consents_of",
        "consent.requests_of",
        "consent.receipt",
        "credentials.cards_of",
        "credentials.card_pdf",
        "credentials.card_code",
        "health.summary",
        "payments.read-account",
        "signin.list-sessions",
        "signin.list-agreements",
        "identity.read",
        "identity.read-photo",
        "identity.read-history",
    )
)


def is_own(line: LogLine) -> bool:
    """Whether the person acted themselves."""
    return line.actor_kind == "person" and bool(line.actor)


def kind_of(line: LogLine) -> str:
    """`own` where the person only looked at their own data, `sign-in` for a step of signing in, else `other`.

    The first two are many and tell little; they are shown folded, and nothing is left out.
    """
    if is_own(line) and (line.act in OWN_LOOKS or blocks.is_look(line.act)):
        return "own"
    by_signin = line.actor == "signin" and line.actor_kind == "job" and line.purpose == "identity-proofing"
    return "sign-in" if line.act in SIGN_IN or by_signin else "other"


def access(speaker: Speaker, line: LogLine, settled_before: datetime) -> m.Access:
    """One line of the log in words. Lines younger than `settled_before` may not be in the tree yet."""
    at, own = datetime.fromisoformat(line.at), is_own(line)
    facts = [
        (speaker.word("fact", name), _fact(speaker, name, value))
        for name, value in line.detail.items()
        if speaker.words.has(f"fact.{name}")
    ]
    return m.Access(
        id=str(line.record_id),
        at=at,
        who=speaker.who(line, own),
        institution=speaker.institution(line.institution) if line.institution else "",
        what=speaker.word("act", line.act),
        purpose=speaker.word("purpose", line.purpose),
        basis=speaker.word("basis", line.basis),
        basis_text=speaker.law(line.purpose, line.basis),
        facts=tuple(facts),
        provable=at <= settled_before,
        file=f"access-{str(line.record_id)[:13]}.tlog-proof",
    )


def _fact(speaker: Speaker, name: str, value: Any) -> str:
    if name in ("to", "institution"):
        return speaker.institution(str(value))
    if name == "for":
        return speaker.word("purpose", str(value))
    return str(value)


def accesses(
    speaker: Speaker, lines: list[LogLine], zone: tzinfo, settled_before: datetime, newer: str, older: str
) -> m.Accesses:
    """A page of lines by day, newest first; steps of signing in and own looks that follow one another are folded."""
    days: list[tuple[date, tuple[m.Fold, ...]]] = []
    placed = [(datetime.fromisoformat(x.at).astimezone(zone).date(), x) for x in lines]
    for day, of_day in groupby(placed, key=lambda pair: pair[0]):
        folds: list[m.Fold] = []
        for kind, run in groupby((x for _, x in of_day), key=kind_of):
            made = tuple(access(speaker, x, settled_before) for x in run)
            folds += [m.Fold("other", (each,)) for each in made] if kind == "other" else [m.Fold(kind, made)]
        days.append((day, tuple(folds)))
    return m.Accesses(tuple(days), newer, older)


def others(speaker: Speaker, lines: Iterable[LogLine], settled_before: datetime, most: int) -> tuple[m.Access, ...]:
    """The newest lines that are more than signing in and the person's own looks."""
    kept = [x for x in lines if kind_of(x) == "other"]
    return tuple(access(speaker, x, settled_before) for x in kept[:most])


def default_account(accounts: list[Account], currency: str) -> Account | None:
    """The account that phone number and identity number lead to, else the first in the country's currency."""
    own = [a for a in accounts if a.currency == currency]
    return next((a for a in own if a.is_default), own[0] if own else None)


def money(
    speaker: Speaker,
    account: Account | None,
    statement: Statement | None,
    newer: str,
    label: str = "",
    others: tuple[m.OtherAccount, ...] = (),
) -> m.MoneyPage:
    """An account and a page of its movements; `label` names one that is not the visitor's ordinary one."""
    if account is None or statement is None:
        return m.MoneyPage("", None)
    entries = tuple(
        m.Entry(
            e.at,
            Money(e.amount_minor, statement.currency),
            speaker.party(e.other),
            KINDS.get(e.code, "other"),
            "" if e.code == OUTWARD else e.reference,  # there it is a number, which the recall's page shows
            e.transfer_id,
        )
        for e in statement.entries
    )
    more = f"&account={account.number}" if label else ""
    older = f"/me/money?after={statement.next_after}{more}" if statement.next_after is not None else ""
    balance = Money(account.balance_minor, account.currency)
    return m.MoneyPage(account.number, balance, entries, newer, older, label, others)


def receipt(paid: Paid, phone: str = "") -> m.Receipt:
    """What was paid; people's transfers are free."""
    amount, nothing = Money(paid.amount_minor, paid.currency), Money(0, paid.currency)
    return m.Receipt(
        paid.transfer_id, paid.at, amount, nothing, paid.to, phone, Money(paid.balance_minor, paid.currency)
    )


def consent_request(speaker: Speaker, asked: Request, agreement: Agreement, now: datetime) -> m.ConsentLine:
    """A request with what it means, from the text of its agreement."""
    text = _agreement_text(speaker, agreement)
    return m.ConsentLine(
        id=str(asked.request_id),
        who=speaker.institution(asked.institution),
        what=text.title,
        purpose=text.purpose or speaker.word("purpose", asked.purpose),
        state="waiting",
        until=(now + timedelta(days=agreement.order.term_days)).date(),
        asked=asked.asked_at.date(),
        items=tuple(text.fields.get(f, f) for f in asked.fields or agreement.order.fields),
        reason=asked.reason,
    )


def consent(speaker: Speaker, given: Consent, agreement: Agreement) -> m.ConsentLine:
    """A consent with what it means."""
    text = _agreement_text(speaker, agreement)
    state = {State.GRANTED: "live", State.WITHDRAWN: "withdrawn", State.EXPIRED: "expired"}[given.state]
    ended = given.ended_at or (given.expires_at if state == "expired" else None)
    return m.ConsentLine(
        id=str(given.consent_id),
        who=speaker.institution(given.institution),
        what=text.title,
        purpose=text.purpose or speaker.word("purpose", given.purpose),
        state=state,
        until=given.expires_at.date(),
        ended=ended.date() if ended else None,
        items=tuple(text.fields.get(f, f) for f in given.fields),
    )


def software(speaker: Speaker, client: Client, agreed: SigninAgreement) -> m.SoftwareLine:
    """What a service may learn at sign-in."""
    claims = tuple(speaker.word("claim", c.rpartition(":")[2]) for c in agreed.claims)
    institution = speaker.institution(client.institution)
    return m.SoftwareLine(client.client_id, client.name, institution, claims, agreed.agreed_at.date())


def _agreement_text(speaker: Speaker, agreement: Agreement) -> Any:
    texts = agreement.order.texts
    for lang in (speaker.words.language, speaker.profile.language, "en"):
        if lang in texts:
            return texts[lang]
    return next(iter(texts.values()))


def sessions(found: Iterable[SignedIn], proved_at: int) -> m.Sessions:
    """Where somebody is signed in; this visit's is the only one that was proved at the same second."""
    known = list(found)
    same = [s.session_id for s in known if int(s.proved_at.timestamp()) == proved_at]
    return m.Sessions(
        tuple(m.SessionLine(str(s.session_id), s.agent, s.seen_at, s.factors, same == [s.session_id]) for s in known)
    )


def uuid_of(text: str) -> UUID | None:
    """The UUID in an address, or None."""
    try:
        return UUID(text)
    except ValueError:
        return None


async def log_state(stack: Stack) -> d.LogState:
    """How the log stands."""
    found = await overview.standing(stack)
    return d.LogState(found.origin, found.size, base64.b64encode(found.root).decode(), found.waiting, found.at)


def card(name: str, number: str, cards: Sequence[CardSummary]) -> m.CardPage:
    """The person's newest card that is not revoked, else the newest, else none."""
    newest = next((c for c in cards if c.state != "revoked"), cards[0] if cards else None)
    if newest is None:
        return m.CardPage(name, number)
    state = {"active": "valid"}.get(newest.state, newest.state)
    return m.CardPage(name, number, state, newest.issued_on, newest.expires_on, newest.credential_id)


def plain_amount(minor: int, currency: Currency) -> str:
    """An amount as somebody would type it."""
    return plain_money(minor, currency)


def figures(profile: Profile, lang: str, shown: Iterable[tuple[SdgIndicator, Edition | None]]) -> m.Figures:
    """The published indicators in words, with figures as written in the country."""
    regions = {r.code: profile.say(r.name, lang) for r in profile.regions}
    return m.Figures(tuple(_indicator(profile, lang, regions, i, e) for i, e in shown))


def _indicator(
    profile: Profile, lang: str, regions: Mapping[str, str], indicator: SdgIndicator, edition: Edition | None
) -> m.Indicator:
    def written(value: float | None, unit: str) -> str:
        return "" if value is None else f"{value:.1f}".replace(".", profile.decimal_point) + unit

    said = (
        profile.say(indicator.title, lang),
        profile.say(indicator.definition, lang),
        profile.say(indicator.caveat, lang),
    )
    if edition is None:
        return m.Indicator(indicator.code, *said)
    totals = [f for f in edition.figures if f.sex == Sex.TOTAL]
    nation = next((f for f in totals if f.region == NATION), None)
    lines = tuple(
        m.FigureLine(
            regions.get(f.region, f.region), written(f.percent, " %"), f"± {written(f.margin, '')}" if f.margin else ""
        )
        for f in totals
        if f.region != NATION
    )
    epsilon = f"{edition.epsilon_milli / 1000:g}"
    whole = (
        f"{written(nation.percent, ' %')} ± {written(nation.margin, '')}"
        if nation and nation.percent is not None
        else ""
    )
    return m.Indicator(indicator.code, *said, edition.at.date(), epsilon, whole, lines)
