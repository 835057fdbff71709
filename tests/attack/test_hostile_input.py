"""Hostile input at every door: whatever arrives, the answer is a no in good order and never a mistake of ours (500)."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx

from msingi.kernel.context import Actor, Kind

NUL = "a\0b"
EVERY_ROLE = frozenset(
    "enrolment-officer adjudicator registrar card-officer clinician treasurer payment-clerk auditor statistician "
    "operator governing-authority data-steward exchange-operator account-officer".split()
)
DEEP = (b"[" * 200_000, b'{"a":' * 100_000)
ODD = (NUL, "²", "9" * 400, "١٢", "\u202e")  # decimals that int() takes and those that it does not; a turned direction
UNIT = "01a2005f-1fd4-73ce-8681-5da718bf853d"
WORDS = {"uuid": UNIT, "date": "2020-01-01", "date-time": "2020-01-01T00:00:00Z"}
AWAITED = (501, 503)  # a history that is not kept, and a log that no sequencer has begun


def _sample(schema: dict[str, Any], document: dict[str, Any], depth: int = 0) -> Any:
    """A value that fits a schema of the OpenAPI document, as far as the schema says."""
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for many in ("oneOf", "anyOf"):
        if many in schema:
            return _sample(next(s for s in schema[many] if s.get("type") != "null"), document, depth)
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    kind = schema.get("type")
    kind = next(k for k in kind if k != "null") if isinstance(kind, list) else kind
    if "properties" in schema or kind == "object":
        parts = schema.get("properties") or {"sw": schema.get("additionalProperties") or {}}
        return {} if depth > 4 else {n: _sample(p, document, depth + 1) for n, p in parts.items()}
    if kind == "array":
        return [_sample(schema.get("items", {}), document, depth + 1)]
    return {"integer": 1, "number": 1.0, "boolean": True}.get(kind or "", WORDS.get(schema.get("format", ""), "abc"))


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield path, value
    else:
        for name, inner in items:
            yield from _leaves(inner, (*path, name))


def _with(value: Any, path: tuple[Any, ...], wanted: Any) -> Any:
    changed = copy.deepcopy(value)
    at = changed
    for name in path[:-1]:
        at = at[name]
    at[path[-1]] = wanted
    return changed


def _body(door: dict[str, Any], document: dict[str, Any]) -> Any:
    for content in door.get("requestBody", {}).get("content", {}).values():
        shown = [e["value"] for e in (content.get("examples") or {}).values() if "value" in e]
        return shown[0] if shown else _sample(content.get("schema", {}), document)
    return None


def _requests(method: str, path: str, door: dict[str, Any], document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The request that a door wants, then one for each part of it made hostile."""
    parts = {p["name"]: (p["in"], _sample(p.get("schema", {}), document)) for p in door.get("parameters", [])}
    body = _body(door, document)

    def made(body: Any, **hostile: str) -> dict[str, Any]:
        told = {name: (place, str(hostile.get(name, value))) for name, (place, value) in parts.items()}
        url = path
        for name, (_, value) in told.items():
            url = re.sub(rf"{{{name}(:\w+)?}}", lambda _, v=value: quote(v, safe=""), url)
        query = {n: v for n, (place, v) in told.items() if place == "query"}
        fields = {n: v for n, (place, v) in told.items() if place == "header" and n not in hostile}
        raw = {} if body is None else {"content": body if isinstance(body, bytes) else json.dumps(body)}
        return {"method": method.upper(), "url": url, "params": query, "headers": fields, **raw}

    yield made(body)
    for name in parts:
        for value in (NUL, str(2**70)):
            yield made(body, **{name: value})
    if isinstance(body, dict | list):
        for at, value in _leaves(body):
            if at:
                yield made(_with(body, at, NUL if isinstance(value, str) else 2**70))
        for deep in DEEP:
            yield made(deep)
        yield made(b'{"a": "\xff"}')


async def test_every_door_of_the_api(town: Any, http: Any, token_of: Any) -> None:
    """A NUL, a number beyond bigint, a body nested 100,000 deep, and bytes that are no UTF-8: 4xx, from each door."""
    client: httpx.AsyncClient = http()
    document = (await client.get("/openapi.json")).json()
    staff = token_of(Actor(Kind.STAFF, "boss-1", "rita", EVERY_ROLE, 2))
    person = token_of(Actor(Kind.PERSON, str(town.asha.id), assurance=2))
    sent, wrong = 0, []
    for path, doors in document["paths"].items():
        for method in {"get", "post", "put", "delete"} & doors.keys():
            for request in _requests(method, path, doors[method], document):
                for who in (staff, person) if "/v1/consent" in path else (staff,):
                    headers = {"content-type": "application/json"} | request["headers"] | who
                    got = await client.request(**request | {"headers": headers})
                    sent += 1
                    if got.status_code >= 500 and got.status_code not in AWAITED:
                        wrong.append((got.status_code, method, path, str(request)[:200]))
    assert sent > 400
    assert not wrong


PAGES = (
    "/me/accesses?after={}", "/me/money?after={}", "/me/accesses/{}", "/me/accesses/{}/proof",
    "/me/money/receipts/{}", "/me/consents/requests/{}", "/me/consents/{}/withdraw", "/staff/duplicates?after={}",
    "/staff/duplicates/{}", "/staff/payments/{}", "/staff/payments/{}/report.xml", "/assets/{}", "/language/{}",
    "/language/en?next={}", "/sign-in?next={}", "/sign-in/return?state={}", "/me?said={}", "/docs/{}", "/problems/{}",
    "/verify/{}", "/signin?flow={}", "/oauth/authorize?client_id={}", "/oauth/logout?id_token_hint={}",
    "/figures/{}", "/sandbox/sms?to={}", "/listClients?xRoadInstance={}", "/log/tile/{}", "/r1/XT/GOV/rita/{}/person",
    "/r1/XT/GOV/rita/identity/getOpenAPI?serviceCode={}",
)  # fmt: skip
FORMS = {
    "/me/money/send": ("phone", "amount", "note"),
    "/me/money/send/confirm": ("order",),
    "/me/sessions/{}/end": (),
    "/me/consents/{}/withdraw": (),
    "/staff/enrol": ("given_name", "born_day", "born_month", "born_year", "region", "address", "phone", "language"),
    "/staff/enrol/confirm": ("order",),
    "/staff/enrol/pin": ("person", "pin"),
    "/staff/duplicates/{}": ("answer", "reason"),
}
TYPED = {
    "phone": "+255711000002", "amount": "100", "given_name": "Neema", "born_year": "1990", "born_month": "1",
    "born_day": "2", "answer": "0", "reason": "x",
}  # fmt: skip


async def test_every_page_and_form(town: Any, surf: Any) -> None:
    """The same for people's pages, each by somebody whom it lets in."""
    wrong = []
    for who, mine in ((town.asha, "/me"), (town.staff.officer, "/staff/enrol"), (town.staff.judge, "/staff/dup")):
        surfer = surf()
        await surfer.sign_in(getattr(who, "number", "") or who.login, who.phone)
        await surfer.http.get("/sign-in", follow_redirects=False)  # an attempt under way, for /sign-in/return
        ticket = re.search(r'name="_ticket" value="([^"]+)"', surfer.answer.text)
        assert ticket
        pages = [p for p in PAGES if p.startswith(mine) or (mine == "/me" and not p.startswith("/staff"))]
        forms = {path: fields for path, fields in FORMS.items() if path.startswith(mine)}
        for odd in ODD:
            for page in pages:
                got = await surfer.http.get(page.replace("{}", quote(odd, safe="")), follow_redirects=False)
                wrong += [(got.status_code, page, odd[:9])] if got.status_code >= 500 else []
            for form, fields in forms.items():
                for field in fields or ("none",):
                    sent = TYPED | {"_ticket": ticket[1], field: odd}
                    path = form.replace("{}", quote(odd, safe=""))
                    got = await surfer.http.post(path, data=sent, follow_redirects=False)
                    wrong += [(got.status_code, form, field, odd[:9])] if got.status_code >= 500 else []
    assert not wrong


async def test_every_step_of_a_dialogue(town: Any, http: Any) -> None:
    """And for a simple phone, whose keys are few but whose gateway may send anything."""
    client: httpx.AsyncClient = http()
    for place, odd in enumerate(ODD):
        for before in ("", "4*", "2*", "2*472910*", "2*472910*0711000002*"):
            steps = [before[: m.start()] for m in re.finditer(r"\*", before)]
            for text in ("", *steps, before + odd):
                sent = {"sessionId": f"odd-{place}-{len(before)}", "phoneNumber": town.asha.phone, "text": text}
                got = await client.post("/channels/ussd", data=sent)
                assert got.status_code < 500 and got.text[:3] in ("CON", "END"), (text, got.text)
