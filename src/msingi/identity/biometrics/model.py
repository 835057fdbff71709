"""Nouns of biometrics: what was captured, why something could not be, and the messages to a matcher."""

from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

from msgspec import Struct

from msingi.kernel.ids import PersonId

ReferenceId = NewType("ReferenceId", UUID)
RequestId = NewType("RequestId", UUID)


class Modality(StrEnum):
    """What is compared."""

    FINGER = "finger"
    IRIS = "iris"
    FACE = "face"


class Missing(Struct, frozen=True, forbid_unknown_fields=True):
    """What could not be captured (a modality, all of it) and why, in words."""

    modality: Modality
    because: str


class CaptureOrder(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What was captured of a person: CBEFF XML (base64), or nothing; and what is missing, with the reason."""

    records: bytes = b""
    missing: tuple[Missing, ...] = ()


class Captured(Struct, frozen=True):
    """That something was captured: which modalities, and what is missing. `compared`: a matcher answered."""

    reference_id: ReferenceId
    taken_at: datetime
    modalities: tuple[str, ...]
    missing: tuple[str, ...]
    compared: bool


class Ask(StrEnum):
    """What the matcher is asked for."""

    INSERT = "insert"
    IDENTIFY = "identify"
    DELETE = "delete"


class Task(Struct, frozen=True):
    """A request to the matcher, as it is kept until it is answered."""

    request_id: RequestId
    person_id: PersonId
    reference_id: ReferenceId
    ask: Ask
    tries: int


class Match(Struct, frozen=True):
    """Somebody whom the matcher finds alike, and by what."""

    reference_id: ReferenceId
    modalities: tuple[Modality, ...]


class Answer(Struct, frozen=True):
    """An answer of the matcher: done, or failed with one of its reasons."""

    request_id: RequestId
    done: bool
    failure: str = ""
    matches: tuple[Match, ...] = ()


class MatcherState(Struct, frozen=True):
    """How the matcher does: whether it answers, and how many requests wait, failed, or wait for its answer."""

    configured: bool
    answers: bool
    references: str
    waiting: int
    sent: int
    failed: int
