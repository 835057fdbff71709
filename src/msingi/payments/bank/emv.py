"""The square code of a shop: EMVCo QR Code Specification for Payment Systems, Merchant-Presented Mode 1.1.

A text of objects: two digits of id, two of length (in characters), the value; templates hold objects in turn. The
payer's side trusts nothing of it but the merchant's code: the name comes from the register of merchants.
"""

import re
from binascii import crc_hqx
from typing import Final

from msgspec import Struct

from msingi.kernel.errors import Malformed
from msingi.kernel.money import Currency, parse, plain
from msingi.payments.bank.errors import ForeignCode, NotACode

LONGEST: Final = 512  # clause 3.2: the whole payload has at most 512 characters
ASCII: Final = re.compile(r"[ -~]*")
_ID: Final = re.compile(r"[0-9]{2}")
_ORDER_TEMPLATES: Final = range(26, 52)
PROMPT, FIXED, PERCENT = "01", "02", "03"
PERCENT_TEXT: Final = re.compile(r"(?!0+(\.0*)?$)([0-9]{1,2}(\.[0-9]{1,2})?|100)")


class Code(Struct, frozen=True, kw_only=True):
    """What a shop's code says. Amounts are minor units, 0 for none: then the payer types it (a static code).

    `merchant` is the merchant's code, `bill` what the shop calls this sale. `tip_minor` and `tip_percent` (hundredths)
    are a fee that the shop adds; `asks_tip` lets the payer choose.
    """

    merchant: str
    name: str
    city: str
    country: str
    currency: str
    category: str = "0000"
    amount_minor: int = 0
    bill: str = ""
    terminal: str = ""
    asks_tip: bool = False
    tip_minor: int = 0
    tip_percent: int = 0
    language: str = ""
    local_name: str = ""

    @property
    def extra_minor(self) -> int:
        """What the shop adds to the amount, rounded down."""
        return self.tip_minor or self.amount_minor * self.tip_percent // 10_000


def write(code: Code, domain: str, currency: Currency) -> str:
    """The text of a code; `domain` is the scheme's globally unique id (its reversed domain name).

    Raises Malformed for a name or city that the standard cannot carry (ASCII, 25 and 15 characters).
    """
    for field, text, most in (("name", code.name, 25), ("city", code.city, 15), ("bill", code.bill, 25)):
        if len(text) > most or not ASCII.fullmatch(text) or (field != "bill" and not text.strip()):
            raise Malformed(f"A code holds 1 to {most} ASCII letters here.", field=field, rule=f"ascii<={most}")
    if len(code.local_name) > 25:
        raise Malformed("A code holds at most 25 letters here.", field="local_name", rule="length<=25")
    parts = [("00", "01"), ("01", "12" if code.amount_minor else "11")]
    parts += [("26", _joined([("00", domain), ("01", code.merchant)])), ("52", code.category)]
    parts += [("53", currency.numeric)]
    if code.amount_minor:
        parts.append(("54", plain(code.amount_minor, currency)))
    if code.asks_tip:
        parts.append(("55", PROMPT))
    elif code.tip_minor:
        parts += [("55", FIXED), ("56", plain(code.tip_minor, currency))]
    elif code.tip_percent:
        whole, rest = divmod(code.tip_percent, 100)
        parts += [("55", PERCENT), ("57", f"{whole}.{rest:02d}".rstrip("0").rstrip("."))]
    parts += [("58", code.country), ("59", code.name), ("60", code.city)]
    more = [(n, text) for n, text in (("01", code.bill), ("07", code.terminal)) if text]
    if more:
        parts.append(("62", _joined(more)))
    if code.local_name:
        parts.append(("64", _joined([("00", code.language), ("01", code.local_name)])))
    text = _joined(parts) + "6304"
    return text + checksum(text)


def read(text: str, domain: str, currency: Currency, country: str) -> Code:
    """What a code says, once every rule of the standard that protects a payer holds.

    Raises NotACode with the broken rule, or ForeignCode where it is well made and of another scheme or currency.
    """
    if len(text) > LONGEST:
        raise NotACode("It is too long.", rule=f"length<={LONGEST}")
    if not re.fullmatch(r".*6304[0-9A-F]{4}", text, re.S) or checksum(text[:-4]) != text[-4:]:
        raise NotACode("The checksum does not fit: the code is damaged, or was changed.", rule="crc (id 63)")
    top = _objects(text)
    if next(iter(top.items())) != ("00", "01"):
        raise NotACode("The first object names version 01.", rule="payload format (id 00)")
    if list(top)[-1] != "63":
        raise NotACode("The checksum is the last object.", rule="crc (id 63)")
    for needed in ("52", "53", "58", "59", "60"):
        if not top.get(needed):
            raise NotACode(f"The object {needed} is missing.", rule=f"required (id {needed})")
    merchant = _merchant(top, domain)
    if not merchant or top["53"] != currency.numeric or top["58"] != country:
        raise ForeignCode()
    more = _objects(top.get("62", ""))
    local = _objects(top.get("64", ""))
    amount = _amount(top["54"], currency, "54") if "54" in top else 0
    tip_minor, tip_percent = _tip(top, currency)
    return Code(
        merchant=merchant,
        name=top["59"],
        city=top["60"],
        country=top["58"],
        currency=currency.code,
        category=top["52"],
        amount_minor=amount,
        bill=_shown(more.get("01", "")),
        terminal=_shown(more.get("07", "")),
        asks_tip=top.get("55") == PROMPT,
        tip_minor=tip_minor,
        tip_percent=tip_percent,
        language=local.get("00", ""),
        local_name=local.get("01", ""),
    )


def checksum(text: str) -> str:
    """CRC-16/CCITT-FALSE of the text as UTF-8, four upper-case hexadecimal digits (ISO/IEC 13239, clause 4.7.3)."""
    return f"{crc_hqx(text.encode(), 0xFFFF):04X}"


def _joined(parts: list[tuple[str, str]]) -> str:
    return "".join(f"{n}{len(value):02d}{value}" for n, value in parts)


def _objects(text: str) -> dict[str, str]:
    """The objects of a template by id, in order. Raises NotACode where lengths do not fit or an id comes twice."""
    found: dict[str, str] = {}
    place = 0
    while place < len(text):
        n, length = text[place : place + 2], text[place + 2 : place + 4]
        if not (_ID.fullmatch(n) and _ID.fullmatch(length) and n.isascii() and length.isascii()):
            raise NotACode("An object begins with four digits.", rule="id and length")
        value = text[place + 4 : place + 4 + int(length)]
        if len(value) != int(length) or n in found or not length.strip("0"):
            raise NotACode("The lengths of the objects do not fit.", rule=f"length (id {n})")
        found[n] = value
        place += 4 + int(length)
    return found


def _merchant(top: dict[str, str], domain: str) -> str:
    """The merchant's code in the template of this scheme; a code may hold templates of several schemes."""
    for n in _ORDER_TEMPLATES:
        template = top.get(f"{n:02d}")
        if template:
            inside = _objects(template)
            if inside.get("00") == domain:
                return inside.get("01", "")
    return ""


def _amount(text: str, currency: Currency, n: str) -> int:
    try:
        amount = parse(text.removesuffix("."), currency)
    except Malformed as wrong:
        raise NotACode(wrong.detail, rule=f"amount (id {n})") from None
    if not amount:
        raise NotACode("The amount is above zero.", rule=f"amount (id {n})")
    return amount


def _tip(top: dict[str, str], currency: Currency) -> tuple[int, int]:
    """The fixed tip in minor units, and the tip in hundredths of a percent: at most one of them."""
    kind = top.get("55")
    if kind not in (None, PROMPT, FIXED, PERCENT):
        raise NotACode("The kind of tip is 01, 02 or 03.", rule="tip (id 55)")
    if ("56" in top) != (kind == FIXED) or ("57" in top) != (kind == PERCENT):
        raise NotACode("The tip does not fit its kind.", rule="tip (id 55)")
    if kind == FIXED:
        return _amount(top["56"], currency, "56"), 0
    if kind != PERCENT:
        return 0, 0
    if not PERCENT_TEXT.fullmatch(top["57"]) or not top["57"].isascii():
        raise NotACode("A percentage has at most two decimals.", rule="tip (id 57)")
    whole, _, rest = top["57"].partition(".")
    return 0, int(whole) * 100 + int(rest.ljust(2, "0") or 0)


def _shown(text: str) -> str:
    """A sub-object of additional data; `***` asks the payer's side to fill it in (clause 4.8.1.2), and we need none."""
    return "" if text == "***" or not text.isprintable() else text
