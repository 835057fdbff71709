"""What a service's OpenAPI description says, as plain nouns for its page: operations, what is sent, what is told.

The texts are the owner's, in the language of the description; `x-title`, an object by language code, gives a label in
others. What a description leaves out, or says strangely, is left out: it was judged when it was registered, and a page
for reading refuses nothing.
"""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from msingi.countries import Profile
from msingi.exchange.model import Offer, Question
from msingi.portal.words import Words

METHODS = ("get", "post", "put", "patch", "delete")
MOST_OPERATIONS, MOST_DETAILS, DEEP = 50, 100, 4
_KINDS = {"string": "text", "integer": "whole", "number": "number", "boolean": "yes_no", "object": "object"}
_FORMATS = {"date": "date", "date-time": "moment", "uuid": "text", "binary": "file"}


class Detail(Struct, frozen=True):
    """A parameter or a field: its name, what kind of value (a word's key, and whether a list), where it stands."""

    name: str
    label: str
    about: str
    kind: str
    many: bool
    place: str
    required: bool


class Operation(Struct, frozen=True):
    """One thing that can be asked of a service."""

    method: str
    path: str
    label: str
    about: str
    sends: tuple[Detail, ...]
    tells: tuple[Detail, ...]
    refusals: tuple[tuple[str, str], ...]


class Asking(Struct, frozen=True):
    """A yes/no question: its name, and in words what it looks at."""

    name: str
    label: str
    test: str


class Described(Struct, frozen=True):
    """A description, read for a page; `path` and `command` say how to ask."""

    about: str
    version: str
    operations: tuple[Operation, ...]
    questions: tuple[Asking, ...]
    document: str
    path: str
    command: str
    labels: dict[str, str]  # of the fields that it tells, by name


def field(words: Words, name: str) -> str:
    """What a field is called that the portal knows; else nothing."""
    key = f"field.{name}"
    return words.plain(key) if words.has(key) else ""


def described(profile: Profile, lang: str, words: Words, offer: Offer) -> Described:
    """The description of a service in the reader's language, as far as it is given in it."""
    reader = _Reader(offer.openapi, profile, words)
    about = _dict(offer.openapi.get("info"))
    purpose = offer.purposes[0] if offer.purposes else "data-exchange"
    person = "/{person}" if offer.about_person else ""
    command = f"msingi join ask {profile.alpha2}/{offer.owner}/{offer.service}"
    return Described(
        str(about.get("description", ""))[:4000], str(about.get("version", ""))[:40],
        tuple(_as_offered(one, offer.fields) for one in reader.operations()),
        tuple(_asking(profile, lang, words, reader, name, one) for name, one in sorted(offer.questions.items())),
        offer.media_type if offer.document else "",
        f"/r1/{profile.alpha2}/{offer.owner}/{offer.service}{person}",
        f"{command}{' PERSON' if offer.about_person else ''} --purpose {purpose}",
        {name: reader.labels.get(name) or field(words, name) or name for name in offer.fields},
    )  # fmt: skip


def _as_offered(one: Operation, fields: tuple[str, ...]) -> Operation:
    """An operation with the fields that it tells in the order of the offer; the others follow."""
    place = {name: n for n, name in enumerate(fields)}
    return replace(one, tells=tuple(sorted(one.tells, key=lambda d: place.get(d.name, len(place)))))


def _asking(profile: Profile, lang: str, words: Words, reader: "_Reader", name: str, one: Question) -> Asking:
    value = ", ".join(one.value) if isinstance(one.value, tuple) else str(one.value)
    key = f"offer.test_{one.test.value.replace('-', '_')}" + ("_asked" if one.asked else "")
    field = reader.labels.get(one.field, one.field)
    return Asking(
        name, profile.say(one.title, lang) if one.title else "", str(words.say(key, field=field, value=value))
    )


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


class _Reader:
    """Reads one description."""

    def __init__(self, document: dict[str, Any], profile: Profile, words: Words) -> None:
        self.document, self.profile, self.words, self.lang = document, profile, words, words.language
        self.labels: dict[str, str] = {}  # of fields, once they were read
        self.read = list(self._operations())

    def operations(self) -> list[Operation]:
        """All operations, in their order."""
        return self.read

    def found(self, value: Any, depth: int = 0) -> dict[str, Any]:
        """A part of the document, references within it followed."""
        part = _dict(value)
        target = part.get("$ref")
        if not isinstance(target, str) or depth > DEEP:
            return part
        at: Any = self.document
        for name in target.removeprefix("#/").split("/"):
            at = _dict(at).get(name.replace("~1", "/").replace("~0", "~"))
        return self.found(at, depth + 1)

    def label(self, part: dict[str, Any], otherwise: str = "") -> str:
        """What a part is called in the reader's language; else `otherwise`, else in another language."""
        told = {str(k): str(v)[:200] for k, v in _dict(part.get("x-title")).items()}
        return told.get(self.lang) or otherwise or (self.profile.say(told, self.lang) if told else "")

    def _operations(self) -> Iterable[Operation]:
        count = 0
        for path, raw in _dict(self.document.get("paths")).items():
            item = self.found(raw)
            shared = item.get("parameters") if isinstance(item.get("parameters"), list) else []
            for method in METHODS:
                one = self.found(item.get(method))
                if not one or count >= MOST_OPERATIONS:
                    continue
                count += 1
                own = one.get("parameters") if isinstance(one.get("parameters"), list) else []
                sends = [self._parameter(self.found(p)) for p in [*(shared or []), *(own or [])]]
                sends += self._fields(self._schema(self.found(one.get("requestBody"))), "body")
                answers = {str(k): self.found(v) for k, v in _dict(one.get("responses")).items()}
                good = next((a for s, a in answers.items() if s.startswith("2")), {})
                tells = self._fields(self._schema(good), "")
                refusals = [(s, str(a.get("description", ""))[:400]) for s, a in answers.items() if s[:1] in "45"]
                label = self.label(one, str(one.get("summary", ""))[:200])
                yield Operation(
                    method.upper(), str(path), label, str(one.get("description", ""))[:2000],
                    tuple(sends[:MOST_DETAILS]), tuple(tells[:MOST_DETAILS]), tuple(refusals),
                )  # fmt: skip

    def _schema(self, holder: dict[str, Any]) -> dict[str, Any]:
        content = _dict(holder.get("content"))
        media = content.get("application/json") or next(iter(content.values()), {})
        return self.found(_dict(media).get("schema"))

    def _parameter(self, part: dict[str, Any]) -> Detail:
        kind, many = self._kind(self.found(part.get("schema")))
        place = str(part.get("in", ""))
        return Detail(
            str(part.get("name", ""))[:80], self.label(part), str(part.get("description", ""))[:400], kind, many,
            place if place in ("path", "query", "header") else "", bool(part.get("required")) or place == "path",
        )  # fmt: skip

    def _kind(self, schema: dict[str, Any]) -> tuple[str, bool]:
        """The word for a schema's kind of value, and whether there are several of them."""
        named: Any = schema.get("type", "")
        if isinstance(named, list):
            named = next((n for n in named if n != "null"), "")
        if named == "array":
            return self._kind(self.found(schema.get("items")))[0], True
        known = _FORMATS.get(str(schema.get("format", ""))) if named == "string" else None
        return known or _KINDS.get(str(named), "object" if "properties" in schema else "any"), False

    def _fields(
        self, schema: dict[str, Any], place: str, above: str = "", within: tuple[int, ...] = ()
    ) -> list[Detail]:
        """The fields of an object, nested ones with dots, as rights name them; one within itself is named once."""
        if schema.get("type") == "array":
            schema = self.found(schema.get("items"))
        if id(schema) in within or len(within) > DEEP:
            return []
        within = (*within, id(schema))
        required = schema.get("required") if isinstance(schema.get("required"), list) else []
        found: list[Detail] = []
        for part in schema.get("allOf", []) if isinstance(schema.get("allOf"), list) else []:
            found += self._fields(self.found(part), place, above, within)
        for name, raw in _dict(schema.get("properties")).items():
            one = self.found(raw)
            whole = above + str(name)
            label = self.label(one) or field(self.words, whole)
            self.labels[whole] = label or whole
            kind, many = self._kind(one)
            must = name in (required or [])
            found.append(Detail(whole, label, str(one.get("description", ""))[:400], kind, many, place, must))
            if kind == "object":
                found += self._fields(one, place, f"{whole}.", within)
        return found
