"""What differs between two countries' banks, as data: `bank.toml` of the country profile, read and checked once."""

import msgspec

from msingi.countries import Profile, ProfileWrong
from msingi.kernel.stack import Stack
from msingi.payments.bank.model import Text
from msingi.payments.errors import AmountOutOfRange

KEY = "payments.bank.tariff"


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every part refuses members that it does not know, so that a typing mistake is found."""


class Band(Strict, frozen=True, kw_only=True):
    """What holds for amounts up to a limit: the customer's fee and the agent's commission. Minor units."""

    up_to_minor: int
    fee_minor: int = 0
    commission_minor: int = 0


class Agents(Strict, frozen=True, kw_only=True):
    """Agents are shops of this category; bands rise, and the last one is the largest amount. Cash that a customer
    asked for waits `hold_s` seconds. Below `low_float_minor` an agent is told to top up."""

    category: str
    hold_s: int
    cash_in: list[Band]
    cash_out: list[Band]
    low_float_minor: int = 0


class Shared(Strict, frozen=True, kw_only=True):
    """What holds for accounts of several people: days in which an invitation can be accepted, and a proposed payment
    signed; and what a guardian pays out of a child's account in a day, in minor units."""

    invitation_days: int
    proposal_days: int
    guardian_day_minor: int


class Dormant(Strict, frozen=True, kw_only=True):
    """When the law calls an account dormant, and what becomes of it; `law` names the law in the country's languages.

    An account of one of `kinds` is dormant after `after_months` without an act of its customer; the customer is told
    `warn_days` before. After `hand_over_years` of it, the money is handed to the account (of kind trust) of the
    institution `authority`. An act is whatever the customer ordered: any debit but those with a code of `bank_debits`
    (what the bank takes, or repeats, by itself), and credits with a code of `own_credits` (cash paid in).
    """

    law: Text
    kinds: list[str]
    after_months: int
    warn_days: int
    hand_over_years: int
    authority: str
    bank_debits: list[str]
    own_credits: list[str]


class SeizureLaw(Strict, frozen=True, kw_only=True):
    """What the law says of orders over a part of somebody's money: what stays free of each account whatever is ordered
    (minor units), how many days an order may last, and where it is contested, in the country's languages."""

    law: Text
    protected_minor: int
    longest_days: int
    contest: Text


class Tariff(Strict, frozen=True, kw_only=True):
    """The bank of a country. `institution` keeps the accounts and earns the fees; `qr_domain` names the scheme in
    square codes; `categories` are the kinds of shops by their ISO 18245 code. `teller_alone_minor` is what a teller
    pays out at a branch to a customer who shows a card; above it, the customer asks for it with the own sign-in."""

    institution: str
    qr_domain: str
    categories: dict[str, Text]
    agents: Agents
    shared: Shared
    dormant: Dormant | None = None
    seizure: SeizureLaw | None = None
    teller_alone_minor: int = 0


class TariffWrong(ProfileWrong):
    """The country's bank.toml breaks rules; `mistakes` names every one of them."""


def of(stack: Stack) -> Tariff:
    """The tariff of the stack's country. Raises TariffWrong."""
    found = stack.local.get(KEY)
    if not isinstance(found, Tariff):
        found = stack.local[KEY] = read(stack.profile)
    return found


def read(profile: Profile) -> Tariff:
    """The tariff as a profile has it, checked. Raises TariffWrong."""
    try:
        tariff = msgspec.convert(profile.bank, Tariff)
    except msgspec.ValidationError as wrong:
        raise TariffWrong([f"bank.toml: {wrong}"]) from None
    faults = []
    if tariff.institution not in {m.code for m in profile.institutions}:
        faults.append("institution: names no institution of the country")
    if not 3 <= len(tariff.qr_domain) <= 32 or not tariff.qr_domain.isascii():
        faults.append("qr_domain: a reversed domain name of 3 to 32 ASCII characters")
    for code, text in tariff.categories.items():
        if len(code) != 4 or not code.isdigit():
            faults.append(f"categories.{code}: a merchant category has four digits (ISO 18245)")
        faults += [f"categories.{code}: lacks the language {lang}" for lang in profile.languages if lang not in text]
    faults += _agent_faults(tariff)
    shared = tariff.shared
    if not (1 <= shared.invitation_days <= 90 and 1 <= shared.proposal_days <= 90):
        faults.append("shared: invitations and proposals last 1 to 90 days")
    if tariff.teller_alone_minor < 0:
        faults.append("teller_alone_minor: not below zero")
    if shared.guardian_day_minor < 0:
        faults.append("shared.guardian_day_minor: not below zero")
    faults += _dormant_faults(tariff, profile) + _seizure_faults(tariff, profile)
    if faults:
        raise TariffWrong([f"bank.toml: {fault}" for fault in faults])
    return tariff


def _dormant_faults(tariff: Tariff, profile: Profile) -> list[str]:
    law, faults = tariff.dormant, []
    if law is None:
        return []
    if law.authority not in {m.code for m in profile.institutions}:
        faults.append("dormant.authority: names no institution of the country")
    if not set(law.kinds) <= {"wallet", "current", "savings", "joint"}:
        faults.append("dormant.kinds: wallet, current, savings, joint")
    if not (1 <= law.after_months <= 600 and 1 <= law.hand_over_years <= 100):
        faults.append("dormant: after_months is 1 to 600, hand_over_years 1 to 100")
    if not 1 <= law.warn_days <= 28 * law.after_months:
        faults.append("dormant.warn_days: at least a day, and shorter than after_months")
    return faults + [f"dormant.law: lacks the language {lang}" for lang in profile.languages if lang not in law.law]


def _seizure_faults(tariff: Tariff, profile: Profile) -> list[str]:
    law = tariff.seizure
    if law is None:
        return []
    faults = [] if law.protected_minor >= 0 else ["seizure.protected_minor: not below zero"]
    if not 1 <= law.longest_days <= 390:
        faults.append("seizure.longest_days: 1 to 390")
    for name, text in (("law", law.law), ("contest", law.contest)):
        faults += [f"seizure.{name}: lacks the language {lang}" for lang in profile.languages if lang not in text]
    return faults


def _agent_faults(tariff: Tariff) -> list[str]:
    agents, faults = tariff.agents, []
    if agents.category not in tariff.categories:
        faults.append("agents.category: is none of the categories")
    if not 60 <= agents.hold_s <= 86_400:
        faults.append("agents.hold_s: 60 to 86400 seconds")
    for name, bands in (("cash_in", agents.cash_in), ("cash_out", agents.cash_out)):
        limits = [band.up_to_minor for band in bands]
        if not limits or limits != sorted(set(limits)) or limits[0] <= 0:
            faults.append(f"agents.{name}: the limits of the bands must rise from above zero")
        if any(band.fee_minor < 0 or band.commission_minor < 0 for band in bands):
            faults.append(f"agents.{name}: no fee and no commission is below zero")
    if agents.low_float_minor < 0:
        faults.append("agents.low_float_minor: not below zero")
    if any(band.fee_minor for band in agents.cash_in):
        faults.append("agents.cash_in: paying in is free for the customer")
    if any(band.commission_minor > band.fee_minor for band in agents.cash_out):
        faults.append("agents.cash_out: the commission is paid out of the fee, so it is not above it")
    return faults


def band(bands: list[Band], amount_minor: int) -> Band:
    """The band that an amount falls into. Raises AmountOutOfRange above the last one."""
    for found in bands:
        if amount_minor <= found.up_to_minor:
            return found
    raise AmountOutOfRange(largest_minor=bands[-1].up_to_minor)
