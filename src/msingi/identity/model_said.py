"""Nouns of yes/no questions: what somebody says of a person, and what of it is so."""

from msgspec import Struct

from msingi.kernel.ids import PersonId


class Said(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What somebody says of a person; empty means nothing was said. `birth_date` is YYYY, YYYY-MM or YYYY-MM-DD.

    `region` is a code of the profile, `address` any words of the lines of the address.
    """

    name: str = ""
    given_name: str = ""
    family_name: str = ""
    birth_date: str = ""
    sex: str = ""
    phone: str = ""
    address: str = ""
    locality: str = ""
    postal_code: str = ""
    region: str = ""


class Supposed(Struct, frozen=True):
    """A supposition: the person with this number (or id) is so. `said` None asks only whether there is such a one."""

    number: str = ""
    person_id: PersonId | None = None
    said: Said | None = None


class Matched(Struct, frozen=True):
    """Whom a supposition is about (None: nobody whose identity is in use), and what of it is so."""

    person_id: PersonId | None
    so: dict[str, bool]
