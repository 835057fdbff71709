"""The messages of MOSIP's ABIS API 0.9, out and in. Pure."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from msingi.identity.biometrics.model import Answer, Ask, Match, Modality, ReferenceId, RequestId, Task
from msingi.identity.errors import BiometricsWrong

TYPES: Final = {"FIR": Modality.FINGER, "IIR": Modality.IRIS, "FID": Modality.FACE}
ALREADY_THERE, NOT_THERE = "10", "12"
AGAIN: Final = frozenset({"", "1", "2", "3", "7", "17"})  # reasons that may be gone at the next try
MOST_CANDIDATES: Final = 50


def request(ask: str, request_id: UUID, at: datetime, **more: Any) -> dict[str, Any]:
    """A request of any kind."""
    stamp = at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
    return {"id": f"mosip.abis.{ask}", "version": "1.1", "requestId": str(request_id), "requesttime": stamp, **more}


def task_request(task: Task, at: datetime, share_url: str) -> dict[str, Any]:
    """A request about a reference; only an insert says where the records are."""
    more: dict[str, Any] = {"referenceId": str(task.reference_id)}
    if task.ask is Ask.INSERT:
        more["referenceURL"] = share_url
    elif task.ask is Ask.IDENTIFY:
        more |= {"referenceURL": "", "flags": {"maxResults": str(MOST_CANDIDATES)}}
    return request(task.ask.value, task.request_id, at, **more)


def answer(said: Any, asked: Ask) -> Answer:
    """An answer; numbers may be written as text, as matchers differ. Raises BiometricsWrong for no answer at all."""
    try:
        request_id = RequestId(UUID(said["requestId"]))
        done = str(said["returnValue"]) == "1"
        failure = "" if done else str(said.get("failureReason", ""))
        if (asked is Ask.INSERT and failure == ALREADY_THERE) or (asked is Ask.DELETE and failure == NOT_THERE):
            done, failure = True, ""
        listed = ((said.get("candidateList") or {}).get("candidates") or []) if done and asked is Ask.IDENTIFY else []
        return Answer(request_id, done, failure, tuple(_match(c) for c in listed[:MOST_CANDIDATES]))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BiometricsWrong("No answer of ABIS API 0.9.", field="body", rule="abis-answer") from None


def _match(candidate: Any) -> Match:
    kinds = (TYPES.get(str(m.get("biometricType", ""))) for m in candidate.get("modalities") or [])
    return Match(ReferenceId(UUID(candidate["referenceId"])), tuple(dict.fromkeys(k for k in kinds if k is not None)))
