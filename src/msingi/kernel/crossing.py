"""Acts that another room may call although the two rooms run on two machines.

`@crossing("health")` above an act says that the room health calls it. Where both rooms run in one program, that is
all: the act is called. Where the composition root has put a carrier for the act's room on the stack, the same call,
with the same signature, is carried to the machine on which that room runs, and its result or its refusal comes back.
What is not marked cannot be called from another machine at all.

The acts of sub-rooms are marked as a whole, by `cover`: the composition root does it for every sub-room of a room that
can move, so that a new one moves with its room without a line of its own.
"""

import asyncio
import functools
import importlib
import inspect
import pkgutil
import re
import types
import typing
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar, Union, get_args, get_origin
from uuid import UUID

import msgspec
import msgspec.inspect
from msgspec import Struct

from msingi.kernel.context import Actor, Context, Kind
from msingi.kernel.errors import Refusal
from msingi.kernel.ids import PersonId

Act = TypeVar("Act", bound=Callable[..., Awaitable[Any]])
Swap = Callable[[PersonId], PersonId]
Carrier = Callable[[Any, "Crossing", Context, dict[str, Any]], Awaitable[Any]]
FAR = "crossing.far"  # stack.local: room -> Carrier
_REMEMBERED = "crossing.remembered"
_MARK = "__crossing__"
LOOK_S = 2.0
_MOST = 20_000
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")  # no institution has such a code
_json = msgspec.json.Encoder(decimal_format="number")
_known: dict[str, "Crossing"] = {}


class Crossing:
    """One act that may be carried: `room.act`, which rooms call it, and the types of its arguments and its result."""

    def __init__(self, room: str, act: Callable[..., Awaitable[Any]], callers: tuple[str, ...], remember: bool) -> None:
        self.room, self.act, self.callers, self.remember = room, act, callers, remember
        self.name = _name_of(act)
        self.signature = inspect.signature(act)

    @functools.cached_property
    def hints(self) -> dict[str, Any]:
        """The types of its arguments and, under `return`, of its result."""
        found = typing.get_type_hints(self.act, localns={"Stack": Any, "Context": Any})
        return {name: Any if hint is object else hint for name, hint in found.items() if name not in ("stack", "ctx")}

    def bound(self, args: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        """The arguments after stack and context, by name."""
        given = self.signature.bind(None, None, *args, **named).arguments
        return {name: value for name, value in given.items() if name not in ("stack", "ctx")}

    def written(self, name: str, value: Any, swap: Swap) -> msgspec.Raw:
        """An argument (or the result, named `return`) as JSON, people swapped for what the other side calls them."""
        value, hint = _materialised(value), self.hints.get(name, Any)
        good = _or_refusals(hint)
        if good is not None:
            return msgspec.Raw(_json.encode([_ending(one, good, swap) for one in value]))
        return msgspec.Raw(_json.encode(_pairs(swapped(value, hint, swap))))

    def read(self, name: str, raw: msgspec.Raw, swap: Swap) -> Any:
        """What `written` wrote. Raises msgspec.ValidationError, msgspec.DecodeError."""
        hint = self.hints.get(name, Any)
        if name != "return" and name not in self.hints:
            raise msgspec.ValidationError(f"no argument is named {name}")
        return swapped(_decoded(bytes(raw), hint), hint, swap)


def crossing(*callers: str, room: str = "", remember: bool = False) -> Callable[[Act], Act]:
    """Mark an act that the rooms `callers` call, also from another machine.

    `room` is the act's room, by default the package that it stands in. With `remember`, a result that never changes is
    kept by the machine that asked for it.
    """

    def mark(act: Act) -> Act:
        mine = Crossing(room or act.__module__.split(".")[1], act, callers, remember)
        key = f"{mine.room}.{mine.name}"
        if key in _known and _known[key].act.__module__ != act.__module__:
            raise ValueError(f"{key} names two acts: {_known[key].act.__module__} and {act.__module__}")
        _known[key] = mine

        @functools.wraps(act)
        def cross(stack: Any, ctx: Context, *args: Any, **named: Any) -> Any:
            if FAR not in stack.local:  # nearly always: no coroutine around the act's own
                return act(stack, ctx, *args, **named)
            carrier = stack.local[FAR].get(mine.room)
            return act(stack, ctx, *args, **named) if carrier is None else carried(carrier, stack, ctx, args, named)

        async def carried(
            carrier: Carrier, stack: Any, ctx: Context, args: tuple[Any, ...], named: dict[str, Any]
        ) -> Any:
            bound = mine.bound(args, named)
            if not remember:
                return await carrier(stack, mine, ctx, bound)
            shelf = stack.local.setdefault(_REMEMBERED, {})
            key = (mine.room, mine.name, tuple(bound.items()))
            if key not in shelf:
                if len(shelf) >= _MOST:
                    shelf.clear()
                shelf[key] = await carrier(stack, mine, ctx, bound)
            return shelf[key]

        setattr(cross, _MARK, mine)
        return typing.cast(Act, cross)

    return mark


def _name_of(act: Callable[..., Awaitable[Any]]) -> str:
    """What a room calls an act: `transfer`; in a sub-room `bank.scan`, outside its acts `switch.settling.settle`."""
    inside = act.__module__.split(".")[2:]
    if len(inside) < 2:
        return act.__name__
    if inside[-1] == "acts":
        inside.pop()
    return ".".join((*inside, act.__name__))


def cover(package: types.ModuleType, *callers: str) -> int:
    """Mark what others may call of a sub-room, unless it is marked already: every public act, which is a coroutine
    that takes `(stack, ctx, ...)`, whose arguments and result can travel; how many were marked now.

    Safe to repeat. What a sub-room keeps to itself begins with an underscore, or takes something that stays at home,
    such as a transaction.
    """
    names = (one.name for one in pkgutil.iter_modules(package.__path__))
    parts = [importlib.import_module(f"{package.__name__}.{name}") for name in names]
    changed: dict[int, Any] = {}
    for part in parts:
        for name, found in list(vars(part).items()):
            own = inspect.iscoroutinefunction(found) and found.__module__ == part.__name__
            if own and not name.startswith("_") and not hasattr(found, _MARK) and _may_travel(found):
                changed[id(found)] = crossing(*callers)(found)
    for part in parts:  # also where another part of the sub-room, such as its acts, gives it out again
        for name, found in list(vars(part).items()):
            if id(found) in changed:
                setattr(part, name, changed[id(found)])
    return len(changed)


def _may_travel(act: Callable[..., Awaitable[Any]]) -> bool:
    names = list(inspect.signature(act).parameters)
    if names[:2] != ["stack", "ctx"]:
        return False
    hints = Crossing("", act, (), False).hints
    return all(name in hints for name in (*names[2:], "return")) and all(_is_written(hint) for hint in hints.values())


def _is_written(hint: Any) -> bool:
    """Whether JSON can carry a value of this type."""
    if hint is PersonId or hint is None or hint is type(None):
        return True
    good = _or_refusals(hint)
    args = [good] if good is not None else [a for a in get_args(hint) if a is not Ellipsis]
    if args and get_origin(hint) is not typing.Literal:
        return get_origin(hint) is not Callable and all(_is_written(arg) for arg in args)
    try:
        return not isinstance(msgspec.inspect.type_info(hint), msgspec.inspect.CustomType)
    except TypeError:
        return False


async def while_here(stack: Any, room: str, work: Callable[[Any], Awaitable[None]]) -> None:
    """Endless work of a room, done here only while the room runs here: the machine that it moved to does it there."""
    task: asyncio.Future[None] | None = None
    try:
        while True:
            if elsewhere(stack, room):
                if task is not None:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                task = None
            elif task is None or task.done():
                task = asyncio.ensure_future(work(stack))
            await asyncio.wait([task], timeout=LOOK_S) if task is not None else await asyncio.sleep(LOOK_S)
            if task is not None and task.done():
                return await task
    finally:
        if task is not None:
            task.cancel()


def elsewhere(stack: Any, room: str) -> bool:
    """Whether a room runs on another machine, so that its endless work is done there."""
    return room in (stack.local.get(FAR) or ())


def known(room: str) -> dict[str, Crossing]:
    """The acts of a room that may be carried, by name."""
    return {one.name: one for one in _known.values() if one.room == room}


def rooms() -> frozenset[str]:
    """The rooms that have such acts."""
    return frozenset(one.room for one in _known.values())


def context_for(ctx: Context, swap: Swap) -> Context:
    """The context as the other side knows it: a person who acts is named as there."""
    actor = ctx.actor
    if actor.kind is not Kind.PERSON or not actor.id:
        return ctx
    known_as = swap(msgspec.convert(actor.id, PersonId))
    named: Actor = msgspec.structs.replace(actor, id=str(known_as))
    return msgspec.structs.replace(ctx, actor=named)


def _materialised(value: Any) -> Any:
    return list(value) if isinstance(value, Iterable) and not isinstance(
        value, str | bytes | dict | list | tuple | set | frozenset | Struct
    ) else value  # fmt: skip


def _or_refusals(hint: Any) -> Any:
    """What the items of a list are that may each be a refusal instead; None for any other type."""
    args = get_args(hint)
    if get_origin(hint) is not list or get_origin(args[0]) not in (Union, types.UnionType):
        return None
    rest = [one for one in get_args(args[0]) if one is not Refusal]
    return rest[0] if len(rest) == 1 and len(get_args(args[0])) == 2 else None


def _ending(value: Any, good: Any, swap: Swap) -> tuple[Any, "No | None"]:
    return (None, refusal_written(value)) if isinstance(value, Refusal) else (swapped(value, good, swap), None)


def _pairs(value: Any) -> Any:
    """A dictionary whose keys are no texts as a list of pairs, because JSON has no other keys."""
    if isinstance(value, dict) and any(not isinstance(key, str) for key in value):
        return [[key, item] for key, item in value.items()]
    return value


def _decoded(raw: bytes, hint: Any) -> Any:
    args = get_args(hint)
    good = _or_refusals(hint)
    if good is not None:
        items = _decoder(list[tuple[good | None, No | None]]).decode(raw)
        return [value if no is None else refusal_read(no) for value, no in items]
    if get_origin(hint) in (Union, types.UnionType) and set(args) == {PersonId, str}:
        text = _decoder(str).decode(raw)
        return PersonId(UUID(text)) if _UUID.fullmatch(text) else text
    if get_origin(hint) is dict and args[0] is not str:
        return dict(_decoder(list[tuple[args[0], args[1]]]).decode(raw))
    if get_origin(hint) in (typing.get_origin(Iterable[int]), typing.get_origin(typing.Sequence[int])):
        return _decoder(list[args[0]]).decode(raw)
    return _decoder(hint).decode(raw)


def _decoder(hint: Any) -> msgspec.json.Decoder[Any]:
    from decimal import Decimal

    return msgspec.json.Decoder(hint, float_hook=Decimal)


def swapped(value: Any, hint: Any, swap: Swap) -> Any:
    """`value`, every PersonId in it (as its type says) swapped; other values, also other UUIDs, stay."""
    if value is None or not _names_people(hint, ()):
        return value
    if hint is PersonId:
        return swap(value)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        fitting = [a for a in args if _names_people(a, ()) and _is_a(value, a)]
        return swapped(value, fitting[0], swap) if fitting else value
    if isinstance(value, Struct):
        hints = typing.get_type_hints(type(value))
        changed = {n: swapped(getattr(value, n), hints[n], swap) for n in value.__struct_fields__}
        return msgspec.structs.replace(value, **changed)
    if isinstance(value, dict):
        return {swapped(k, args[0], swap): swapped(v, args[1], swap) for k, v in value.items()}
    if isinstance(value, tuple) and args[-1] is not Ellipsis:
        return tuple(swapped(v, a, swap) for v, a in zip(value, args, strict=True))
    return type(value)(swapped(v, args[0], swap) for v in value)


def _is_a(value: Any, hint: Any) -> bool:
    if hint is PersonId:
        return type(value).__name__ == "UUID"
    wanted = get_origin(hint) or hint
    return isinstance(value, wanted) if isinstance(wanted, type) else False


def _names_people(hint: Any, above: tuple[Any, ...]) -> bool:
    """Whether a value of this type can hold a PersonId."""
    if hint is PersonId:
        return True
    if hint in above:
        return False
    if isinstance(hint, type) and issubclass(hint, Struct):
        return any(_names_people(h, (*above, hint)) for h in typing.get_type_hints(hint).values())
    return any(_names_people(a, above) for a in get_args(hint))


class No(Struct, frozen=True):
    """A refusal on its way: its code, and what it says; `more` holds what its class says it carries besides."""

    code: str
    detail: str
    facts: dict[str, str | int]
    more: dict[str, msgspec.Raw] = {}


def refusal_written(no: Refusal) -> No:
    """A refusal as it travels."""
    carried: dict[str, Any] = getattr(type(no), "carried", {})
    return No(no.code, no.detail, dict(no.facts), {n: msgspec.Raw(_json.encode(getattr(no, n))) for n in carried})


def refusal_read(told: No) -> Refusal:
    """The same refusal here, of the same class."""
    found = next((c for c in _classes(Refusal) if c.code == told.code), Refusal)
    made = found.__new__(found)
    Refusal.__init__(made, told.detail, **told.facts)
    for name, hint in getattr(found, "carried", {}).items():
        setattr(made, name, msgspec.json.decode(bytes(told.more[name]), type=hint) if name in told.more else hint())
    return made


def _classes(root: type[Refusal]) -> Iterable[type[Refusal]]:
    yield root
    for child in root.__subclasses__():
        yield from _classes(child)
