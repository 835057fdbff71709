"""Nouns of the registries: a register's description, its fields, and what is found in it."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from msgspec import Struct, field

from msingi.kernel.ids import PersonId

Content = dict[str, Any]
FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)
EVERY = "*"  # in a grant: every institution


class FieldType(StrEnum):
    """What a field holds."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    OBJECT = "object"


class Field(Struct, frozen=True):
    """One field: its type, and which institution may read or write it for which purposes.

    `numbered` is a pattern such as MCTS{indexNoByCode}: a record without this field gets the next number.
    """

    type: FieldType = FieldType.STRING
    required: bool = False
    about: str = ""
    example: str = ""
    numbered: str = ""
    read: dict[str, tuple[str, ...]] = field(default_factory=dict)
    write: dict[str, tuple[str, ...]] = field(default_factory=dict)
    fields: dict[str, "Field"] = field(default_factory=dict)


class RegisterOrder(Struct, frozen=True):
    """A register as its keeper describes it.

    `key` names the field that no two records share. `subject` names the field that says whose record it is, by the
    institution's own pseudonym of the person; a register without it holds nothing about people.
    """

    code: str
    title: str
    law: str
    purpose: str
    basis: str
    key: str
    fields: dict[str, Field]
    version: str = "1.0"
    group: str = ""
    subject: str = ""
    first_number: int = 1


class Register(Struct, frozen=True):
    """A register: its number, its keeper, and what its keeper described."""

    register_id: int
    keeper: str
    order: RegisterOrder
    at: datetime

    @property
    def personal(self) -> bool:
        """Whether its records are about people."""
        return bool(self.order.subject)


class Found(Struct, frozen=True):
    """A record as it is stored: whole, and not yet cut to what somebody may see."""

    record_id: UUID
    person_id: PersonId | None
    content: Content
    updated: datetime


class Seen(Struct, frozen=True):
    """A record as its reader may see it."""

    record_id: UUID
    content: Content


class Listed(Struct, frozen=True):
    """A page of records; `after` leads to the next one, and is empty on the last."""

    records: list[Seen]
    after: str = ""
