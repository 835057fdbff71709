"""What differs between two countries' banks, as data: `bank.toml` of the country profile, read and checked once."""

import msgspec

from msingi.kernel.stack import Stack
from msingi.payments.bank.model import Text

KEY = "payments.bank.tariff"


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every part refuses members that it does not know, so that a typing mistake is found."""


class Tariff(Strict, frozen=True, kw_only=True):
    """The bank of a country. `institution` keeps the accounts and earns the fees; `qr_domain` names the scheme in
    square codes; `categories` are the kinds of shops by their ISO 18245 code."""

    institution: str
    qr_domain: str
    categories: dict[str, Text]


class TariffWrong(ValueError):
    """The country's bank.toml breaks rules; the text names every one."""


def of(stack: Stack) -> Tariff:
    """The tariff of the stack's country. Raises TariffWrong."""
    found = stack.local.get(KEY)
    if not isinstance(found, Tariff):
        found = stack.local[KEY] = read(stack)
    return found


def read(stack: Stack) -> Tariff:
    """The tariff as the profile has it, checked. Raises TariffWrong."""
    profile = stack.profile
    try:
        tariff = msgspec.convert(profile.bank, Tariff)
    except msgspec.ValidationError as wrong:
        raise TariffWrong(f"bank.toml of {profile.code}: {wrong}") from None
    faults = []
    if tariff.institution not in {m.code for m in profile.institutions}:
        faults.append("institution: names no institution of the country")
    if not 3 <= len(tariff.qr_domain) <= 32 or not tariff.qr_domain.isascii():
        faults.append("qr_domain: a reversed domain name of 3 to 32 ASCII characters")
    for code, text in tariff.categories.items():
        if len(code) != 4 or not code.isdigit():
            faults.append(f"categories.{code}: a merchant category has four digits (ISO 18245)")
        faults += [f"categories.{code}: lacks the language {lang}" for lang in profile.languages if lang not in text]
    if faults:
        raise TariffWrong(f"bank.toml of {profile.code}: " + "; ".join(faults))
    return tariff
