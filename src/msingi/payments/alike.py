"""Lines of a payment file that look like one that was read before: the same bytes but for the texts of their elements.

A million lines come from one program. What the XML parser and the grammar have said of one of them holds for all that
differ only in texts without any markup: the next lines are matched as bytes, and their texts alone are judged. Whatever
does not match is read by the parser; both ways lead to the same lines and the same refusals, which tests hold.
"""

import re

from msgspec import Struct

from msingi.payments.grammar import TRANSACTION, Branch, Leaf

END = re.compile(rb"</(?:[\w.-]{1,40}:)?CdtTrfTxInf>")
LONGEST = 16 * 1024
MOST_SHAPES = 4
_TAG = re.compile(rb"<(/?)((?:[\w.-]+:)?([\w.-]+))((?: [\w:.-]+=\"[^\"<>&\x00-\x1f\x80-\xff]*\")*)(/?)>")
_ATTRIBUTE = re.compile(rb" ([\w:.-]+)=\"([^\"]*)\"")
_TEXT = rb"([^<>&\x00-\x1f]{0,140})"  # no markup, no reference, nothing that a parser would turn into something else
_BLANK = rb"[ \t\r\n]*"
_NOT_XML = b"\xef\xbf"  # U+FFFE and U+FFFF begin so


class Shape(Struct, frozen=True):
    """What lines have in common: the bytes around their texts, and which element each text is of (None: unread)."""

    pattern: "re.Pattern[bytes]"
    texts: tuple[tuple[str, Leaf | None], ...]
    fixed: dict[str, str]  # attributes, which are the same for all of them

    def texts_of(self, found: "re.Match[bytes]") -> tuple[str, ...] | None:
        """The texts of a line that matches, by the places of `texts`; None if one of them breaks its rule."""
        whole = found[0]
        if _NOT_XML in whole:
            return None
        try:
            texts = tuple([text.decode() for text in found.groups()])
        except UnicodeDecodeError:
            return None
        for (_, leaf), text in zip(self.texts, texts, strict=True):
            if leaf is not None and not (leaf.pattern.fullmatch(text) and leaf.readable(text)):
                return None
        return texts


def shape_of(raw: bytes) -> Shape | None:
    """The shape of a line (one whole element) that was read and found good; None if it is too odd to have one."""
    if len(raw) > LONGEST:
        return None
    pattern, texts, fixed, place = [_BLANK], [], {}, 0
    above: list[str] = []
    while place < len(raw):
        tag = _TAG.match(raw, place)
        if tag is None:
            return None
        closes, name, alone = tag[1], tag[3].decode(), tag[5]
        pattern.append(re.escape(tag[0]))
        place = tag.end()
        if closes:
            if not above or above.pop() != name:
                return None
        elif not alone:
            above.append(name)
        after = raw.find(b"<", place)
        text = raw[place:after] if after >= 0 else raw[place:]
        if not closes and not alone and raw[after : after + 2] == b"</":
            path = "/".join(above[1:])
            leaf, known = _leaf(above[1:])
            if not known or any(path == other for other, judged in texts if judged is not None):
                return None
            texts.append((path, leaf))
            fixed |= {f"{path}/@{key.decode()}": said.decode() for key, said in _ATTRIBUTE.findall(tag[4])}
            pattern.append(_TEXT)
        elif text.strip(b" \t\r\n"):
            return None
        else:
            pattern.append(_BLANK)
        place += len(text)
    if above or not re.fullmatch(b"".join(pattern), raw):
        return None
    return Shape(re.compile(b"".join(pattern)), tuple(texts), fixed)


def _leaf(path: list[str]) -> tuple[Leaf | None, bool]:
    """What an element within a line is: a leaf of the grammar, or (None) of a part that is not read; and whether it
    is known at all."""
    node: Leaf | Branch | None = TRANSACTION
    for name in path:
        if node is None:
            return None, True
        if isinstance(node, Leaf) or name not in node.parts:
            return None, False
        node = node.parts[name][2]
    return (node, True) if isinstance(node, Leaf) else (None, node is None)


def into(values: dict[str, str], shape: Shape, texts: tuple[str, ...], under: str) -> None:
    """Put the texts of a line where the parser would have put them."""
    for (path, leaf), text in zip(shape.texts, texts, strict=True):
        if leaf is not None:
            values[under + path] = text
    for path, text in shape.fixed.items():
        values[under + path] = text
