"""The laws of the channels as pure functions: what fits a screen, what was typed, where a dialogue goes."""

import re
import unicodedata
from collections.abc import Mapping

from msgspec.structs import replace

from msingi.channels.errors import BadDialogue
from msingi.channels.model import Choice, Dial, Dialogue, Step

SCREEN = 160  # characters of the GSM alphabet on one screen; gateways cut what is longer
SCREEN_UCS2 = 80  # characters where the alphabet does not suffice, for example in Arabic
SESSION_S = 180
_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_NEAR = {
    "•": "*",
    "’": "'",
    "‘": "'",
    "“": '"',
    "”": '"',
    "«": '"',
    "»": '"',
    "–": "-",
    "—": "-",
    "−": "-",
    "…": "...",
    "\u00a0": " ",
    "\u202f": " ",
    "\u2009": " ",
    "œ": "oe",
}
_PHONE = re.compile(r"^\+[1-9][0-9]{6,14}$")
_FIELDS = {"sessionId": 128, "phoneNumber": 20, "text": 1024}


def is_gsm(text: str) -> bool:
    """Whether a text needs nothing beyond the GSM 7-bit default alphabet (3GPP TS 23.038, section 6.2.1)."""
    return all(c in _GSM for c in text)


def gsm(text: str) -> str:
    """The text in the GSM alphabet where that loses only accents and typography; otherwise as it was."""
    near = []
    for c in text:
        if c in _GSM:
            near.append(c)
            continue
        flat = _NEAR.get(c) or "".join(p for p in unicodedata.normalize("NFKD", c) if not unicodedata.combining(p))
        near.append(flat if flat and is_gsm(flat) else c)
    return "".join(near)


def fit(text: str) -> str:
    """The text on one screen (law 3); what is too long ends in two dots, at a word where possible."""
    text = gsm(text)
    room = SCREEN if is_gsm(text) else SCREEN_UCS2
    if len(text) <= room:
        return text
    cut = text[: room - 2]
    at = max(cut.rfind(" "), cut.rfind("\n"))
    return (cut[:at] if at > room * 2 // 3 else cut).rstrip() + ".."


def fit_lines(lines: list[str]) -> str:
    """As many of the lines as one screen holds, each cut to its share (law 3)."""
    room = (SCREEN if is_gsm("\n".join(lines)) else SCREEN_UCS2) // max(len(lines), 1) - 1
    return fit("\n".join(line if len(line) <= room else line[: max(room - 2, 1)].rstrip() + ".." for line in lines))


def read(form: Mapping[str, str]) -> Dial:
    """What the gateway says. Raises BadDialogue, naming the field.

    Of `text`, all inputs so far joined by `*`, only the last is kept (law 4): earlier ones can hold a PIN.
    """
    for name, longest in _FIELDS.items():
        if name not in form:
            raise BadDialogue(f"{name} is missing.", field=name, rule="present")
        if len(form[name]) > longest:
            raise BadDialogue(f"{name} is too long.", field=name, rule=f"length<={longest}")
    phone = "+" + form["phoneNumber"].strip().lstrip("+")
    if not _PHONE.match(phone):
        raise BadDialogue("phoneNumber is not a number in E.164.", field="phoneNumber", rule="E.164")
    if not form["sessionId"].strip():
        raise BadDialogue("sessionId is empty.", field="sessionId", rule="present")
    said = form["text"].rpartition("*")[2].strip() if form["text"] else None
    return Dial(form["sessionId"], phone, said)


def phone_of(typed: str, prefix: str, digits: int) -> str:
    """The E.164 number meant by what was typed: with or without the country's prefix, or with a leading zero.

    Empty if it is none.
    """
    plain = re.sub(r"[\s().-]", "", typed)
    local = re.fullmatch(rf"(?:\{prefix}|00{prefix[1:]}|{prefix[1:]}|0)?([0-9]{{{digits}}})", plain)
    if local:
        return prefix + local[1]
    return plain if _PHONE.match(plain) else ""


def chosen(state: Dialogue, said: str) -> Dialogue:
    """The dialogue after a choice from the menu; unchanged for something that is not on it."""
    if said not in tuple(Choice):
        return state
    if said == Choice.TONGUE:
        return replace(state, step=Step.TONGUE, choice=said)
    return replace(state, step=after_pin(said) if state.person else Step.PIN, choice=said)


def after_pin(choice: str) -> Step:
    """The step that a choice leads to, once the person is known; OVER where the answer follows at once."""
    return {Choice.SEND: Step.PHONE, Choice.COMPLAIN: Step.WHICH, Choice.GROUPS: Step.GROUP}.get(
        Choice(choice), Step.OVER
    )
