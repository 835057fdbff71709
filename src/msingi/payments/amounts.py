"""What comes to the doors of payments is taken as it is written: an amount is a whole number of minor units, in digits.

A framework that turns "100", 1000.0 and 1e3 into whole numbers pays whatever a careless program happened to send: the
same text may mean minor units to one and major units to the other. So a JSON body is held to its door's shape without
any turning (an amount that the standard wants as a decimal text is one), and an amount in a query to its digits.
"""

import re
from functools import cache
from typing import Any

import msgspec
from litestar import Request

from msingi.kernel.errors import Malformed

DIGITS = "digits: a whole number of minor units, without quotes, sign, point or exponent"
_WHOLE = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)
_PLACE = re.compile(r"(.*) - at `\$?\.?(.*?)`", re.DOTALL)


async def as_written(request: Request[Any, Any, Any]) -> None:
    """Look at a request before its door does. Raises Malformed, naming the field and the rule."""
    for name, text in request.query_params.multi_items():
        if name.endswith("_minor") and not _WHOLE.fullmatch(str(text)):
            raise Malformed(f"{name}: {DIGITS}", field=name, rule=DIGITS)
    wanted = request.route_handler.parsed_data_field
    if wanted is None or request.content_type[0] != "application/json":
        return
    try:
        _decoder(wanted.raw).decode(await request.body())
    except msgspec.ValidationError as wrong:
        placed = _PLACE.fullmatch(str(wrong))
        rule, field = placed.groups() if placed is not None else (str(wrong), "body")
        whole = rule.startswith("Expected `int")
        raise Malformed(f"{field}: {DIGITS if whole else rule}", field=field, rule=DIGITS if whole else rule) from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return  # no JSON: the framework says so


@cache
def _decoder(shape: Any) -> "msgspec.json.Decoder[Any]":
    return msgspec.json.Decoder(shape)
