"""Amounts at every door of payments are digits: no other spelling of a number moves money, or is even understood."""

import re
from typing import Annotated, Any, get_args, get_origin
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msingi import app
from msingi.payments import amounts

OTHERWISE = ['"100"', "100.0", "1e2", "1E+2", '"1e2"', "true", "[100]", '"100.00"', "100.5", "-1e2"]
ROOMS = [room for room in app.ROOMS if room.partition(".")[0] == "payments"]


def doors() -> list[tuple[str, str, str]]:
    """Method, path and the body, without its value, of each whole number at the JSON doors of payments."""
    found = set()
    for room in ROOMS:
        for router in getattr(app._part(room, "routes"), "routers", []):
            for route in router.routes:
                path = re.sub(r"{[^}]*}", "x", re.sub(r"{[^}]*:uuid}", str(UUID(int=0)), route.path))
                for handler in getattr(route, "route_handlers", []):
                    bodies = whole_numbers(handler.fn.__annotations__.get("data"))
                    found |= {(str(method), path, body) for method in handler.http_methods for body in bodies}
    return sorted(found)


def whole_numbers(body: Any) -> list[str]:
    body = get_args(body)[0] if get_origin(body) is Annotated else body
    if get_origin(body) is list:
        return [f"[{one}]" for one in whole_numbers(get_args(body)[0])]
    if not isinstance(body, type) or not issubclass(body, msgspec.Struct):
        return []
    kinds = {f.encode_name: msgspec.inspect.type_info(f.type) for f in msgspec.structs.fields(body)}
    return [f'{{"{name}": NUMBER}}' for name, kind in kinds.items() if isinstance(kind, msgspec.inspect.IntType)]


DOORS = doors()


def test_the_doors_that_move_money_are_among_them():
    some = ("transfers", "transfers/batch", "holds", "cash", "standing-orders", "exchange/quotes")
    assert len(DOORS) > 20 and not {f"/v1/payments/{path}" for path in some} - {path for _, path, _ in DOORS}


@pytest.mark.parametrize("method,path,body", DOORS)
async def test_no_other_spelling_of_a_number_is_taken(client, method, path, body):
    name = body.split('"')[1]
    for text in OTHERWISE:
        headers = {"content-type": "application/json", "idempotency-key": "k"}
        answer = await client.request(method, path, content=body.replace("NUMBER", text), headers=headers)
        assert answer.status_code == 400, (path, body, text, answer.text)
        assert name in answer.text and "digits" in answer.text, (path, body, text, answer.text)


@pytest.mark.parametrize("text", ["1e3", "1000.0", "-5", "+5", "05", "%D9%A3", "", "1" * 19])
async def test_an_amount_in_a_query_is_digits(client, text):
    answer = await client.get(f"/v1/payments/fees/quote?code=P2P&amount_minor={text}")
    assert answer.status_code == 400 and "amount_minor" in answer.text, answer.text


@settings(max_examples=60)
@given(st.integers(-(10**20), 10**20), st.sampled_from(["{}", '"{}"', "{}.0", "{}e0", "{}E1", "{}.5", " {} "]))
def test_law_what_is_taken_is_what_was_written(number, spelling):
    text = spelling.format(number)
    taken = None
    try:
        taken = amounts._decoder(int).decode(text)
    except msgspec.ValidationError:
        assert text.strip() != str(number)
    assert taken is None or (taken == number and text.strip() == str(number))
