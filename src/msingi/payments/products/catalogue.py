"""The products of a country, as data: `products.toml` of the profile, read and checked once."""

from itertools import pairwise

import msgspec

from msingi.countries import Profile, ProfileWrong
from msingi.kernel.stack import Stack
from msingi.payments.products.errors import NoSuchProduct
from msingi.payments.products.model import Catalogue, Charge, Product
from msingi.payments.products.rules import YEARS

KEY = "payments.products.catalogue"
KINDS = ("wallet", "current", "savings")
SHOPS = "merchant"
MAX_RATE_BP = 5_000
CHARGES = ("transfers", "sales", "standing", "bills")  # members of terms


class CatalogueWrong(ProfileWrong):
    """The country's products.toml breaks rules; `mistakes` names every one of them."""


def of(stack: Stack) -> Catalogue:
    """The products of the stack's country; none where it says nothing. Raises CatalogueWrong."""
    found = stack.local.get(KEY)
    if not isinstance(found, Catalogue):
        found = stack.local[KEY] = read(stack.profile)
    return found


def product(stack: Stack, code: str) -> Product:
    """One product that people choose. Raises NoSuchProduct."""
    found = next((one for one in of(stack).products if one.code == code and not one.standard), None)
    if found is None:
        raise NoSuchProduct()
    return found


def read(profile: Profile) -> Catalogue:
    """The products as a profile has them, checked. Raises CatalogueWrong."""
    if not profile.products:
        return Catalogue(version="", announce_days=0, products=())
    try:
        found = msgspec.convert(profile.products, Catalogue)
    except msgspec.ValidationError as wrong:
        raise CatalogueWrong([f"products.toml: {wrong}"]) from None
    codes = [one.code for one in found.products]
    faults = ["no two products have the same code"] if len(set(codes)) < len(codes) else []
    kinds = [one.kind for one in found.products if one.standard]
    faults += ["no two standard products have the same kind"] if len(set(kinds)) < len(kinds) else []
    tax = found.tax
    if tax is not None and tax.institution not in {m.code for m in profile.institutions}:
        faults.append("tax.institution: names no institution of the country")
    if tax is not None and (not 0 <= tax.rate_bp <= 10_000 or any(lang not in tax.name for lang in profile.languages)):
        faults.append("tax: a rate between 0 and 10000, and a name in each language")
    for one in found.products:
        faults += [f"{one.code}: {fault}" for fault in _faults(one, found.announce_days, profile.languages)]
    if faults:
        raise CatalogueWrong([f"products.toml: {fault}" for fault in faults])
    return found


def _faults(one: Product, announce_days: int, languages: list[str]) -> list[str]:
    faults = [f"lacks the language {lang}" for lang in languages if lang not in one.name or lang not in one.text]
    if one.kind not in KINDS and not (one.standard and one.kind == SHOPS):
        faults.append(f"kind: one of {', '.join(KINDS)}")
    if not one.terms:
        faults.append("terms: at least one")
    for before, after in pairwise(one.terms):
        if after.begins <= before.begins:
            faults.append(f"terms of {after.begins}: stand in the order of their days")
        if (after.begins - after.announced).days < announce_days:
            faults.append(f"terms of {after.begins}: are announced {announce_days} days ahead")
    for terms in one.terms:
        starts = [band.from_minor for band in terms.bands]
        if terms.day_count not in YEARS:
            faults.append(f"terms of {terms.begins}: day_count is one of {', '.join(YEARS)}")
        if not starts or starts[0] != 0 or starts != sorted(set(starts)):
            faults.append(f"terms of {terms.begins}: bands begin at 0 and rise")
        if any(not 0 <= band.rate_bp <= MAX_RATE_BP for band in terms.bands):
            faults.append(f"terms of {terms.begins}: rates lie between 0 and {MAX_RATE_BP} hundredths of a percent")
        if terms.monthly_fee_minor < 0 or terms.minimum_minor < 0:
            faults.append(f"terms of {terms.begins}: no amount is below zero")
        for name in CHARGES:
            charge: Charge | None = getattr(terms, name)
            if charge is not None:
                faults += [f"terms of {terms.begins}: {name}: {fault}" for fault in _charge_faults(charge)]
        if one.standard and (terms.monthly_fee_minor or any(band.rate_bp for band in terms.bands)):
            faults.append(f"terms of {terms.begins}: a standard product charges payments, and nothing else")
    return faults


def _charge_faults(charge: Charge) -> list[str]:
    limits = [band.up_to_minor for band in charge.bands]
    faults = []
    if not limits or limits[0] <= 0 or limits != sorted(set(limits)):
        faults.append("the limits of the bands rise from above zero")
    if any(min(band.fee_minor, band.most_minor) < 0 or not 0 <= band.rate_bp <= MAX_RATE_BP for band in charge.bands):
        faults.append(f"no amount is below zero, and no share above {MAX_RATE_BP}")
    if not 0 <= charge.free_per_month <= 10_000:
        faults.append("free_per_month is 0 to 10000")
    return faults
