"""Decisions: the only source of a `Permit`, from policies that a lawyer can read (Cedar)."""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import cedarpy
from msgspec import Struct

from msingi.kernel.context import BASES, PURPOSES, Context, Kind
from msingi.kernel.errors import NotPermitted
from msingi.kernel.ids import PersonId, uuid_of_text

NOBODY: Final = ()
ANYONE: Final = None
Subject = PersonId | tuple[PersonId, ...] | None
Fact = str | int | bool

_SEAL = object()  # law 1: only this module holds it, so only `decide` can make a Permit
_CACHE_SIZE = 20_000
_BLOCK = re.compile(r'((?:@\w+\("[^"]*"\)\s*)*(?:permit|forbid)\s*\(.*?\)\s*(?:(?:when|unless)\s*\{.*?\}\s*)*;)', re.S)
_ACTION = re.compile(r'Action::"([^"]+)"')


class Permit:
    """The right to do one act, once decided: the key that opens a transaction.

    `subjects` are the people whose rows it reaches; None reaches anyone, () reaches nobody's.
    """

    __slots__ = ("act", "context", "room", "rule", "subjects")

    def __init__(
        self,
        seal: object,
        act: str,
        context: Context,
        subjects: tuple[PersonId, ...] | None,
        rule: str,
        room: str = "",
    ) -> None:
        if seal is not _SEAL:
            raise TypeError("a Permit comes only from policy.decide")
        self.act = act
        self.room = room or act.partition(".")[0]
        self.context = context
        self.subjects = subjects
        self.rule = rule


class Decision(Struct, frozen=True):
    """What the policies say: allowed or not, the ids of the rules that decided, and evaluation errors."""

    allowed: bool
    rules: tuple[str, ...]
    errors: tuple[str, ...] = ()


class Policies:
    """All rules of the stack, sliced by action so that a decision weighs only the few that can apply."""

    def __init__(self, texts: dict[str, str]) -> None:
        self.slices: dict[str, cedarpy.PolicySet] = {}
        self.texts: dict[str, list[str]] = {}
        for source, text in texts.items():
            for block in _BLOCK.findall(_without_comments(text)):
                if "@id(" not in block:
                    raise ValueError(f"{source}: a policy has no @id: {block[:80]}")
                for action in set(_ACTION.findall(block)) or {"*"}:
                    self.texts.setdefault(action, []).append(block)
        everywhere = self.texts.pop("*", [])
        for action, blocks in self.texts.items():
            self.slices[action] = cedarpy.PolicySet.from_str("\n".join(blocks + everywhere))
        self.cache: dict[tuple[Any, ...], Decision] = {}

    def decide(self, key: tuple[Any, ...], request: dict[str, Any], entity: dict[str, Any]) -> Decision:
        """The decision for a request, kept in the cache by `key`, which holds every fact that the rules can see."""
        slice_ = self.slices.get(key[0])
        if slice_ is None:
            decision = Decision(False, (), (f"no policy speaks of {key[0]}",))
        else:
            result = cedarpy.is_authorized(request, slice_, _parsed(json.dumps([entity])))
            names = result.diagnostics.id_annotations_by_reason
            decision = Decision(
                bool(result.allowed),
                tuple(names.get(r, r) for r in result.diagnostics.reasons),
                tuple(str(e) for e in result.diagnostics.errors),
            )
        if len(self.cache) >= _CACHE_SIZE:
            self.cache.clear()
        self.cache[key] = decision
        return decision


@lru_cache(maxsize=2_000)
def _parsed(entities: str) -> cedarpy.Entities:
    """Entities as Cedar holds them: the same few combinations of kind, roles and institution come again and again."""
    return cedarpy.Entities.from_json_str(entities)


def _without_comments(text: str) -> str:
    return re.sub(r"^\s*//.*$", "", text, flags=re.M)


_policies = Policies({})


def load(rooms: Iterable[str], extra: dict[str, str] | None = None) -> Policies:
    """Load the `policy.cedar` of each room (a package name under msingi), and make them the rules in force."""
    global _policies
    _policies = Policies(_texts(tuple(rooms)) | extra) if extra else _rules(tuple(rooms))
    return _policies


def _texts(rooms: tuple[str, ...]) -> dict[str, str]:
    return {room: (files(f"msingi.{room}") / "policy.cedar").read_text("utf-8") for room in rooms}


@lru_cache(maxsize=4)
def _rules(rooms: tuple[str, ...]) -> Policies:
    """The rules as they are shipped: their files do not change while the program runs, so they are read once."""
    return Policies(_texts(rooms))


def weigh(ctx: Context, act: str, subjects: tuple[PersonId, ...] | None, facts: dict[str, Fact]) -> Decision:
    """What the rules in force say of this act, without granting anything; `msingi policy explain` prints it."""
    actor = ctx.actor
    own = actor.kind is Kind.PERSON and subjects is not None and len(subjects) == 1 and str(subjects[0]) == actor.id
    job = actor.id if actor.kind is Kind.JOB else ""
    # Everything that a rule can see, and nothing else: whoever differs in none of it gets the same decision. Types
    # belong to it, because 1 and true are the same key and not the same fact. Whether a consent is still given is no
    # such fact: rooms look that up in the act's own transaction, so that no decision here can be older than it.
    who = (actor.kind, job, actor.roles, actor.institution, actor.assurance)
    told = (*facts.items(), *map(type, facts.values())) if facts else ()
    key = (act, who, ctx.purpose, ctx.basis, ctx.channel, bool(ctx.consent), own, told)
    known = _policies.cache.get(key)
    if known is not None:
        return known
    seen: dict[str, Fact] = {
        "purpose": ctx.purpose,
        "basis": ctx.basis,
        "own": own,
        "assurance": actor.assurance,
        "institution": actor.institution,
        "channel": ctx.channel,
        "consent": bool(ctx.consent),
        **facts,
    }
    principal = {"type": actor.kind.capitalize(), "id": job or "actor"}
    request = {
        "principal": principal,
        "action": {"type": "Action", "id": act},
        "resource": {"type": "Room", "id": act.partition(".")[0]},
        "context": seen,
    }
    attrs = {"roles": sorted(actor.roles), "institution": actor.institution, "name": job}
    return _policies.decide(key, request, {"uid": principal, "attrs": attrs, "parents": []})


class Question:
    """An act that is asked for again and again with the same facts: `decide`, without what is the same every time.

    What the rules said is remembered under all that they can see, as in `weigh`, and forgotten with the rules.
    """

    __slots__ = ("_act", "_facts", "_known", "_room", "_rules")

    def __init__(self, act: str, **facts: Fact) -> None:
        """`facts` are what the rules may weigh besides the context."""
        self._act, self._room, self._facts = act, act.partition(".")[0], facts
        self._known: dict[tuple[Any, ...], str] = {}
        self._rules: Policies | None = None

    def of_own(self, ctx: Context) -> Permit:
        """The permit on the rows of the person who acts. Raises NotPermitted."""
        return self._decided(ctx, (PersonId(uuid_of_text(ctx.actor.id)),))

    def of_nobody(self, ctx: Context) -> Permit:
        """The permit that reaches nobody's rows. Raises NotPermitted."""
        return self._decided(ctx, NOBODY)

    def _decided(self, ctx: Context, subjects: tuple[PersonId, ...]) -> Permit:
        actor = ctx.actor
        kind = actor.kind
        key = (
            *(kind, actor.roles, actor.institution, actor.assurance, actor.id if kind is Kind.JOB else ""),
            *(ctx.purpose, ctx.basis, ctx.channel, not ctx.consent, not subjects),
        )
        if self._rules is not _policies:
            self._rules, self._known = _policies, {}
        rule = self._known.get(key)
        if rule is None:
            permit = decide(ctx, self._act, subjects, **self._facts)
            if len(self._known) >= _CACHE_SIZE:
                self._known.clear()
            self._known[key] = permit.rule
            return permit
        return Permit(_SEAL, self._act, ctx, subjects, rule, self._room)


def decide(ctx: Context, act: str, subject: Subject, **facts: Fact) -> Permit:
    """The permit for `act` on the rows of `subject`: one person, several, NOBODY or ANYONE.

    `facts` are what the rules may weigh besides the context (`context.<name>` in Cedar).
    Raises NotPermitted unless a rule allows it and none forbids it.
    """
    if ctx.purpose not in PURPOSES or ctx.basis not in BASES:
        raise NotPermitted("The purpose or the legal basis is not one that this stack knows.", act=act)
    subjects = subject if subject is None or isinstance(subject, tuple) else (subject,)
    decision = weigh(ctx, act, subjects, facts)
    if not decision.allowed:
        raise NotPermitted(act=act, purpose=ctx.purpose, basis=ctx.basis)
    return Permit(_SEAL, act, ctx, subjects, decision.rules[0] if decision.rules else "")
