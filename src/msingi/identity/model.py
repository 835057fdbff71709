"""Nouns of the identity room: what is known of a person, and what enrolment answers."""

from enum import StrEnum

import msgspec


class Sex(StrEnum):
    FEMALE = "female"
    MALE = "male"
    OTHER = "other"
    UNKNOWN = "unknown"


class Name(msgspec.Struct, frozen=True, omit_defaults=True):
    given: str = ""
    family: str = ""


class Birth(msgspec.Struct, frozen=True, omit_defaults=True):
    reported: str = ""


class Address(msgspec.Struct, frozen=True, omit_defaults=True):
    lines: tuple[str, ...] = ()
    locality: str = ""
    postal_code: str = ""


class Demographics(msgspec.Struct, frozen=True, omit_defaults=True):
    name: Name
    birth: Birth = Birth()
    sex: Sex = Sex.UNKNOWN
    address: Address = Address()
    phone: str = ""
