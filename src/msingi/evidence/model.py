"""Nouns of the evidence room: indicators, censuses, editions, figures."""

from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from msgspec import Struct

EditionId = NewType("EditionId", UUID)
NATION = "_T"  # the SDMX code for a total


class Sex(StrEnum):
    """SDMX code list CL_SEX."""

    TOTAL = "_T"
    FEMALE = "F"
    MALE = "M"


class Indicator(Struct, frozen=True):
    """One indicator: SDG code, SDMX series, unit, and per language its title, definition and caveat.

    `numerator` and `denominator` name the counts that it is made of; `age` is the SDMX age code.
    """

    code: str
    series: str
    age: str
    numerator: str
    denominator: str
    title: dict[str, str]
    definition: dict[str, str]
    caveat: dict[str, str]


class Cell(Struct, frozen=True):
    """An exact count, which never leaves the job: region code, sex (F, M or U), people counted."""

    region: str
    sex: str
    count: int


class Population(Struct, frozen=True):
    """A denominator from a census or projection: which group, region, sex, people."""

    group: str
    region: str
    sex: str
    people: int


class Figure(Struct, frozen=True):
    """A published figure: noisy `numerator` over `denominator`, in percent with its 95 % margin in points.

    `percent` and `margin` are None where the denominator is under the threshold (law 6).
    """

    indicator: str
    region: str
    sex: str
    numerator: int
    denominator: int
    percent: float | None
    margin: float | None


class Edition(Struct, frozen=True):
    """One publication of one indicator: when, how much of the privacy budget it spent, and its figures.

    `epsilon_milli` is the budget in thousandths; `spent_milli` what the year has used up with it.
    """

    edition_id: EditionId
    indicator: str
    at: datetime
    epsilon_milli: int
    spent_milli: int
    source: str
    figures: list[Figure]
