"""A walk through an XML document by a grammar, in whatever pieces the document comes: what comes is checked and told.

Each step of the grammar is decided once and then remembered, because the next million elements look the same. Entities
and document types are refused, so that nothing is ever expanded, and no file or address is opened.
"""

from collections.abc import Callable
from typing import Any, NoReturn
from xml.parsers import expat

from msgspec import Struct, field

from msingi.kernel.errors import Malformed
from msingi.payments.grammar import CURRENCY, DOCUMENT, MANY, PAIN_001, XSI, Branch, Leaf

MAX_DEPTH = 64
MOST_JOINED = 2_000
LINE = "/Document/CstmrCdtTrfInitn/PmtInf/CdtTrfTxInf"


class Step(Struct, eq=False, gc=False):
    """Where reading stands within one element: what it is, how far its parts have come, what may follow."""

    path: str
    node: "Leaf | Branch | None"
    place: int = -1
    count: int = 0
    begun: bool = False
    complete: bool = False
    next: "dict[str, tuple[Step, Step, bool]]" = field(default_factory=dict)


def _step(path: str, node: "Leaf | Branch | None") -> Step:
    return Step(path, node, complete=_complete(node, -1, 0))


def _complete(node: "Leaf | Branch | None", place: int, count: int) -> bool:
    """Whether an element may end here."""
    if not isinstance(node, Branch):
        return True
    if node.choice and place < 0:
        return False
    lows = [low for low, _, _ in node.parts.values()]
    return not any(lows[place + 1 :]) and (place < 0 or count >= lows[place])


_FIRST = _step("", DOCUMENT)


def wrong(path: str, rule: str, text: str) -> Malformed:
    """The refusal of a document, naming the element's path and the rule that it breaks."""
    return Malformed(text, field=path, rule=rule)


class Walker:
    """Feeds an XML parser, follows the grammar, and keeps the texts of leaves by their paths in `values`.

    `done` names what is to happen when the element of a path ends, `joined` the element whose texts are put together
    where it comes more than once. All methods raise Malformed with `field` (the path of the element, counted from 1)
    and `rule`.
    """

    def __init__(self, done: dict[str, Callable[[], None]], joined: str) -> None:
        self._done, self._joined = done, joined
        self._step, self._above, self._skipped, self._text = _FIRST, [], 0, ""
        self._values: dict[str, str] = {}
        self._counts: dict[str, int] = {}
        self._fed, self._began = 0, -1
        self._plain = True  # UTF-8, so that bytes can be compared with what was read before
        parser = self._parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text, parser.buffer_size = True, 65_536
        parser.StartElementHandler, parser.EndElementHandler = self._begin, self._end
        parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = self._letters, self._doctype
        parser.XmlDeclHandler = self._declared
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)  # what is there is read at once

    def _parse(self, raw: bytes, last: bool = False) -> None:
        self._fed += len(raw)
        try:
            self._parser.Parse(raw, last)
        except (expat.ExpatError, ValueError, LookupError) as bad:
            told = expat.ErrorString(bad.code) if isinstance(bad, expat.ExpatError) else "encoding"
            raise wrong(self._path() or "/", "well-formed", f"This is no well-formed XML: {told}.") from None

    def _doctype(self, *_: Any) -> NoReturn:
        raise wrong("/", "no-doctype", "A payment file has no document type declaration.")

    def _declared(self, _: str, encoding: str | None, __: int) -> None:
        self._plain = (encoding or "utf-8").lower() == "utf-8"

    def _letters(self, text: str) -> None:
        if not self._skipped:
            self._text = self._text + text if self._text else text

    def _begin(self, name: str, attributes: dict[str, str]) -> None:
        if self._skipped:
            self._skipped += 1
            if self._skipped > MAX_DEPTH:
                raise wrong(self._path(), f"depth<={MAX_DEPTH}", "Elements stand too deep within each other.")
            return
        step = self._step
        if self._text and isinstance(step.node, Branch):
            self._blank()
        found = step.next.get(name)
        parent, child, counted = found if found is not None else self._follow(step, name)
        if counted:
            self._counts[child.path] = self._counts.get(child.path, 0) + 1
            if child.path == LINE:
                self._began = self._parser.CurrentByteIndex
        self._above.append(parent)
        self._step = child
        if child.node is None:
            self._skipped = 1
        elif attributes:
            self._attributes(child, attributes)
        elif isinstance(child.node, Leaf) and child.node.attribute:
            raise wrong(f"{self._path()}/@{child.node.attribute}", "iso4217", "A currency is an ISO 4217 code.")

    def _end(self, _: str) -> None:
        step = self._step
        if self._skipped:
            self._skipped -= 1
            if self._skipped:
                return
        elif isinstance(step.node, Leaf):
            text, self._text = self._text, ""
            if not step.node.pattern.fullmatch(text) or not step.node.readable(text):
                raise wrong(self._path(), step.node.rule, f"The text must be: {step.node.rule}.")
            path, values = step.path, self._values
            if path == self._joined and path in values:
                text = f"{values[path]} {text}"[:MOST_JOINED]
            values[path] = text
        else:
            if self._text:
                self._blank()
            if not step.complete:
                self._lacks(step)
            done = self._done.get(step.path)
            if done is not None:
                done()
        self._step = self._above.pop()

    def _attributes(self, step: Step, attributes: dict[str, str]) -> None:
        """Only the currency of an amount, and remarks for validators on elements with elements."""
        node, path = step.node, self._path()
        if isinstance(node, Leaf):
            if node.attribute and not CURRENCY.fullmatch(attributes.get(node.attribute, "")):
                raise wrong(f"{path}/@{node.attribute}", "iso4217", "A currency is an ISO 4217 code.")
            if set(attributes) - {node.attribute}:
                raise wrong(path, "known-attribute", "There is an attribute that is not accepted here.")
            self._values[f"{step.path}/@{node.attribute}"] = attributes[node.attribute]
        elif any(not key.startswith(XSI + " ") for key in attributes):
            raise wrong(path, "known-attribute", "There is an attribute that is not accepted here.")

    def _path(self) -> str:
        """The path of the element at hand, repeatable ones counted."""
        path, static = "", ""
        names = self._step.path.split("/")[1:]
        for name, above in zip(names, self._above, strict=False):
            static += f"/{name}"
            repeatable = isinstance(above.node, Branch) and above.node.parts[name][1] > 1
            path += f"/{name}[{self._counts.get(static, 1)}]" if repeatable else f"/{name}"
        return path

    def _blank(self) -> None:
        text, self._text = self._text, ""
        if text.strip(" \t\r\n"):
            raise wrong(self._path(), "elements-only", "There is text where only elements are accepted.")

    def _follow(self, step: Step, name: str) -> tuple[Step, Step, bool]:
        """What an element may be after what stood before it, found for the first time."""
        space, _, local = name.rpartition(" ")
        node = step.node
        if not isinstance(node, Branch):
            raise wrong(self._path(), "text-only", f"{self._path()} holds text, no elements.")
        parts = list(node.parts)
        _, high, child = node.parts.get(local, (0, 1, None))
        static = f"{step.path}/{local}"
        count = self._counts.get(static, 0) + 1 if high > 1 else 1
        path = f"{self._path()}/{local}" + (f"[{count}]" if high > 1 else "")
        if space != PAIN_001:
            raise wrong(path, "namespace", f"The namespace is {PAIN_001}.")
        if local not in node.parts:
            expected = ", ".join(parts[step.place + 1 :][:6]) or "nothing"
            raise wrong(path, "known-element", f"This element is not accepted here; {expected} could follow.")
        place = parts.index(local)
        if place < step.place:
            raise wrong(path, "order", f"This element stands before {parts[step.place]}.")
        times = step.count + 1 if place == step.place else 1
        if times > high or (node.choice and step.place >= 0 and place != step.place):
            raise wrong(path, f"at most {high}", "There is one element too many here.")
        for skipped in parts[step.place + 1 : place]:
            if node.parts[skipped][0]:
                raise wrong(f"{self._path()}/{skipped}", "required", "This element is required.")
        if place == step.place and high == MANY:
            after = step
        else:
            after = Step(step.path, node, place, times, complete=_complete(node, place, times))
        found = step.next[name] = (after, _step(static, child), high > 1)
        return found

    def _lacks(self, step: Step) -> NoReturn:
        """An element ends too early."""
        assert isinstance(step.node, Branch)
        if step.node.choice:
            raise wrong(self._path(), "choice", f"One of {', '.join(step.node.parts)} is required.")
        place = max(step.place, 0)
        lacking = next(name for name in list(step.node.parts)[place:] if step.node.parts[name][0])
        raise wrong(f"{self._path()}/{lacking}", "required", "This element is required.")
