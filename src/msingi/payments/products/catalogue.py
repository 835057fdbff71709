"""The products of a country, as data: `products.toml` of the profile, read and checked once."""

from itertools import pairwise

import msgspec

from msingi.countries import Profile, ProfileWrong
from msingi.kernel.stack import Stack
from msingi.payments.products.errors import NoSuchProduct
from msingi.payments.products.model import Catalogue, Product
from msingi.payments.products.rules import YEARS

KEY = "payments.products.catalogue"
KINDS = ("wallet", "current", "savings")
MAX_RATE_BP = 5_000


class CatalogueWrong(ProfileWrong):
    """The country's products.toml breaks rules; `mistakes` names every one of them."""


def of(stack: Stack) -> Catalogue:
    """The products of the stack's country; none where it says nothing. Raises CatalogueWrong."""
    found = stack.local.get(KEY)
    if not isinstance(found, Catalogue):
        found = stack.local[KEY] = read(stack.profile)
    return found


def product(stack: Stack, code: str) -> Product:
    """One product. Raises NoSuchProduct."""
    found = next((one for one in of(stack).products if one.code == code), None)
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
    for one in found.products:
        faults += [f"{one.code}: {fault}" for fault in _faults(one, found.announce_days, profile.languages)]
    if faults:
        raise CatalogueWrong([f"products.toml: {fault}" for fault in faults])
    return found


def _faults(one: Product, announce_days: int, languages: list[str]) -> list[str]:
    faults = [f"lacks the language {lang}" for lang in languages if lang not in one.name or lang not in one.text]
    if one.kind not in KINDS:
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
    return faults
