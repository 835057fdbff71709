"""Bad and strange requests to every door: no 5xx, declared media types, and refusals that name rule and remedy.

Schemathesis makes requests from /openapi.json; by hand come bodies that no schema describes, and the portal's pages,
which stand in no schema. Callers: nobody, and for each door somebody whom it lets in.
"""

import asyncio
import json
import os
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Unsatisfiable
from joserfc.jwk import ECKey
from schemathesis import GenerationMode
from tests.running import Running
from tests.world.callers import Caller, dpop_proof, register_desk, software_token

from msingi import countries
from msingi.cli.visitor import Visitor
from msingi.exchange import client as exchange

SEED = 2022
TIMES = int(os.environ.get("MSINGI_TEST_FUZZ", "1"))  # so many times the requests, for a long night
EXAMPLES = {"nobody": (TIMES, TIMES), "somebody": (2 * TIMES, 2 * TIMES)}  # well-formed and malformed, by caller
PROBLEM = "application/problem+json"
GOVSTACK_PAYMENTS = ("/register-", "/update-", "/bulk-", "/identityAccountMapper", "/batchtransactions")
# which caller knows a door from inside; the longest prefix counts
INSIDERS = {
    "/v1/identity": "officer",
    "/v1/credentials": "officer",
    "/v1/exchange": "operator",
    "/v1/consent/agreements": "operator",
    "/v1/consent/requests": "hospital",
    "/v1/stewardship": "operator",
    "/v1/payments": "approver",
    "/v1/authenticate": "bank-app",
    "/fhir": "clinician",
    "/": "person",
}
Send = Callable[[requests.PreparedRequest], requests.Response]


class Knocking:
    """A running sandbox, and how each caller's requests are sent."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.known = running.sample
        self.session = requests.Session()
        self.session.trust_env = False
        self.tokens: dict[str, str] = {}
        self.bank: tuple[str, ECKey] = ("", ECKey.generate_key("P-256"))
        self.numbers = [p["number"] for p in self.known["people"]]
        self.chance = random.Random(SEED)

    async def sign_in(self) -> None:
        """Get tokens for everybody who is an insider somewhere."""
        url, desk = self.running.url, await register_desk(self.running.home)
        people = {s["role"]: s for s in self.known["staff"]} | {"person": self.known["people"][0]}
        for role in ("officer", "operator", "clinician", "approver", "person"):
            caller = await Caller.sign_in(url, desk, people[role])
            self.tokens[role] = caller.http.headers["authorization"]
            await caller.http.aclose()
        bank = next(c for c in self.known["clients"] if c["client_id"] == "bank-app")
        self.bank = await software_token(url, bank)

    def send(self, caller: str, request: requests.PreparedRequest) -> requests.Response:
        """Send a prepared request as `caller`: with a bearer token, a DPoP-bound one, a signature, or nothing."""
        if caller == "bank-app":
            token, key = self.bank
            address = (request.url or "").partition("?")[0]
            request.headers["Authorization"] = f"DPoP {token}"
            request.headers["DPoP"] = dpop_proof(key, request.method or "GET", address, token)
        elif caller == "hospital":
            self._sign(request)
        elif caller in self.tokens:
            request.headers["Authorization"] = self.tokens[caller]
        return self.session.send(request, timeout=20, allow_redirects=False)

    def _sign(self, request: requests.PreparedRequest) -> None:
        hospital = next(i for i in self.known["institutions"] if i["kind"] == "hospital")
        name = f"{countries.load(self.known['country']).alpha2}/{hospital['subsystem']}"
        body = request.body or b""
        raw = body if isinstance(body, bytes) else body.encode()
        path, _, query = (request.path_url or "/").partition("?")
        fields = {k.lower(): v for k, v in request.headers.items() if k.lower() in ("content-type", "accept")}
        text = {k: v if isinstance(v, str) else v.decode("latin-1") for k, v in fields.items()}
        signed = exchange.prepare(
            self.running.url, name, hospital["jwk"], path, method=request.method or "GET", query=query, body=raw,
            headers=text,
        )  # fmt: skip
        request.body = raw
        request.headers.update(signed.headers)

    def aim(self, case: schemathesis.Case) -> None:
        """Put known things into the path now and then, so that requests get past the first look-up."""
        pools: dict[str, list[Any]] = {
            "number": self.numbers,
            "code": [i["code"] for i in self.known["institutions"]],
            "name": ["patient-summary", "16.9.1.json", "3.b.1.csv", "8.10.2.svg", "verify.js"],
            "rtype": ["Patient", "Immunization", "Observation", "Bundle", "Practitioner"],
            "list_id": [1],
            "version": [1, 2**31, 2**63],
            "client_id": ["portal", "bank-app"],
        }
        for name in case.path_parameters or {}:
            if name in pools and self.chance.random() < 0.6:
                case.path_parameters[name] = self.chance.choice(pools[name])


@pytest.fixture(scope="module")
async def knocking(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A sandbox of its own: fuzzing suspends institutions, stops keys and retires agreements."""
    running = Running(tmp_path_factory.mktemp("fuzz") / "home", 20).start()
    made = Knocking(running)
    await made.sign_in()
    yield made
    running.stop()


def insider(path: str) -> str:
    """Who knows this door from inside."""
    return INSIDERS[max((p for p in INSIDERS if path.startswith(p)), key=len)]


def media(response: requests.Response) -> str:
    """The media type without parameters."""
    return response.headers.get("content-type", "").partition(";")[0].strip().lower()


def refusal_fault(path: str, response: requests.Response) -> str:
    """What is wrong with the form of a refusal; empty if it says rule and remedy in the dialect of its door."""
    kind = media(response)
    if path.startswith("/channels/ussd"):
        return "" if kind == "text/plain" and response.text.startswith("END ") else "not one sentence for a screen"
    try:
        body = response.json()
    except ValueError:
        return f"{kind} is not JSON"
    if path.endswith("/{application}/getOpenAPI") and isinstance(body, str):
        return "" if kind == "application/json" and ": " in body else "not a sentence that says why"
    if not isinstance(body, dict):
        return f"{type(body).__name__} is no object"
    if path.startswith("/fhir"):
        issue = body.get("issue", [{}])[0]
        whole = body.get("resourceType") == "OperationOutcome" and issue.get("code") and issue.get("diagnostics")
        return "" if kind == "application/fhir+json" and whole else "not an OperationOutcome with code and remedy"
    if path.startswith(("/oauth", "/oid4vci", "/present/wallet", "/v1/esignet/oauth", "/v1/esignet/oidc")):
        whole = kind == "application/json" and body.get("error") and body.get("error_description")
        return "" if whole else "not an OAuth error with a description"
    if path.startswith("/fspiop"):
        told = body.get("errorInformation", {})
        whole = kind == "application/json" and len(told.get("errorCode", "")) == 4
        return "" if whole and told.get("errorDescription") else "not an error of the FSPIOP API"
    if path.startswith(("/r1", "/listClients")):
        whole = kind == "application/json" and {"type", "message", "detail"} <= body.keys()
        return "" if whole else "not an X-Road error"
    if path.startswith("/v1/esignet"):
        whole = kind == "application/json" and all(e.get("errorCode") and e.get("errorMessage") for e in body["errors"])
        return "" if whole and body["errors"] else "not in eSignet's envelope"
    if path.startswith(GOVSTACK_PAYMENTS) or path == "/prepayment-validation":
        whole = kind == "application/json" and body.get("ResponseCode") == "01" and body.get("ResponseDescription")
        return "" if whole else "not an answer of GovStack's payments that says why"
    if path.startswith(("/vouchers", "/bills", "/billTransferRequests", "/rtpRequest", "/transferRequests")):
        whole = kind == "application/json" and any(
            body.get(name) for name in ("message", "reason", "responseDescription")
        )
        return "" if whole else "not an answer of GovStack's vouchers or bills that says why"
    if path.startswith("/g2p-connect"):
        told = [body["message"].get("error", {})] if "message" in body else body.get("errors", [])
        whole = kind == "application/json" and told and all(one.get("code") and one.get("message") for one in told)
        return "" if whole else "not an error of G2P Connect"
    lacks = {"type", "title", "status", "code", "remedy", "instance"} - body.keys()
    wanted = "application/json" if path.startswith(("/data/", "/database")) else PROBLEM
    if kind != wanted or lacks:
        return f"{kind} is no problem+json with {', '.join(sorted(lacks))}"
    return "" if body["status"] == response.status_code else "the status in the body is another"


class Verdicts:
    """Everything that is wrong, once per door and kind."""

    def __init__(self) -> None:
        self.found: dict[tuple[str, str], str] = {}
        self.asked = 0
        self.statuses: dict[int, int] = {}

    def judge(self, label: str, path: str, response: requests.Response, declared: dict[str, Any] | None) -> None:
        """Note what is wrong with an answer; `declared` are the responses of the OpenAPI operation."""
        self.asked += 1
        status = response.status_code
        self.statuses[status] = self.statuses.get(status, 0) + 1
        if status >= 500:
            sent = response.request
            self.note(
                label, f"{status}", f"{sent.method} {sent.path_url[:200]} {str(sent.body)[:300]}: {response.text[:300]}"
            )
        elif status >= 400:
            self.note(label, refusal_fault(path, response), response.text[:200])
        if status == 405 and not response.headers.get("allow"):
            self.note(label, "405 without Allow", "")
        if declared is None or status == 304 or (300 <= status < 400):
            return
        known = declared.get(str(status)) or declared.get(f"{status // 100}XX")
        if known is None:
            self.note(label, f"status {status} is not declared", "")
        elif response.content and media(response) not in {
            m.partition(";")[0].strip() for m in known.get("content", {})
        }:
            self.note(label, f"{status} has {media(response)}, declared {list(known.get('content', {}))}", "")

    def note(self, label: str, fault: str, shown: str) -> None:
        """Keep a fault, if it is one."""
        if fault:
            self.found.setdefault((label, fault), shown)

    def __str__(self) -> str:
        return "\n".join(f"{label}: {fault} {shown}" for (label, fault), shown in sorted(self.found.items()))


def _operations(running: Running) -> Iterator[Any]:
    schema = schemathesis.openapi.from_url(f"{running.url}/openapi.json", timeout=120)
    for found in schema.get_all_operations():
        yield found.ok()


def _ask(knocking: Knocking, operation: Any, caller: str, mode: GenerationMode, examples: int, said: Verdicts) -> None:
    """Some requests of one kind to one door."""
    label, declared = operation.label, operation.definition.raw["responses"]

    @seeded(SEED)
    @settings(
        max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def knock(case: schemathesis.Case) -> None:
        if mode is GenerationMode.POSITIVE:
            knocking.aim(case)
        kwargs = case.as_transport_kwargs(base_url=knocking.running.url)
        known = ("method", "url", "headers", "params", "data", "json", "files", "cookies")
        request = requests.Request(**{k: v for k, v in kwargs.items() if k in known})
        try:
            prepared = request.prepare()
            response = knocking.send(caller, prepared)
        except (requests.exceptions.InvalidHeader, UnicodeError, ValueError):
            return  # what cannot be written down as a request
        said.judge(label, operation.path, response, declared)

    try:
        knock()
    except Unsatisfiable:
        return  # a door without parameters has no malformed request


def _can_be_malformed(operation: Any) -> bool:
    """Whether a schema can be broken at all: any text in a path is a text, and doors that read their body by
    themselves declare no more than its media type. Finding that out by trial takes seconds for each door."""
    raw = operation.definition.raw
    strict = any(p["in"] != "path" or p["schema"] != {"type": "string"} for p in raw.get("parameters", []))
    body = raw.get("requestBody", {}).get("content", {})
    loose = [kind for kind, said in body.items() if said["schema"] in ({"type": "string"}, {"type": "object"})]
    return (strict or bool(body)) and not loose


def test_openapi_requests_of_every_kind(knocking: Knocking) -> None:
    """Every door, by nobody and by an insider, well-formed and malformed."""
    said = Verdicts()
    for operation in _operations(knocking.running):
        for caller, name in (("nobody", ""), ("somebody", insider(operation.path))):
            for mode, examples in zip(GenerationMode, EXAMPLES[caller], strict=True):
                if mode is GenerationMode.POSITIVE or _can_be_malformed(operation):
                    _ask(knocking, operation, name, mode, examples, said)
    print(f"{said.asked} requests, by status: {dict(sorted(said.statuses.items()))}")
    assert said.asked > 500 and said.statuses.get(200, 0) > 50
    assert not said.found, f"\n{said}"


NASTY: list[tuple[str, bytes]] = [
    ("application/json", b""),
    ("application/json", b"{"),
    ("application/json", b"[" * 100_000),
    ("application/json", b'{"a":' * 5_000 + b"1" + b"}" * 5_000),
    ("application/json", b'{"name": {"given": "\\ud800"}, "number": 1e999, "x": NaN}'),
    ("application/json", b'{"name": {"given": "\\u0000"}, "person": "\\u0000", "agreement": "\\u0000"}'),
    ("application/json", b"\xff\xfe{\x00}\x00"),
    ("application/json", b'"' + b"x" * 1_000_000 + b'"'),
    ("application/json; charset=utf-7", b"null"),
    (
        "application/fhir+json",
        b'{"resourceType": "Bundle", "type": "transaction", "entry": [null, 7, {"request": []}]}',
    ),
    ("application/xml", b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><x>&a;</x>'),
    (
        "application/x-www-form-urlencoded",
        b"grant_type=%00&grant_type=&client_assertion=%ff&text=*&sessionId=" + b"a" * 9999,
    ),
    ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"; filename="\x00"\r\n\r\n'),
    ("multipart/form-data", b"--"),
    ("image/png", b"\x89PNG\r\n\x1a\n" + b"\x00" * 64),
    ("", b"\x00"),
]


def test_bodies_that_no_schema_describes(knocking: Knocking) -> None:
    """Cut, deep, huge, wrongly typed and wrongly encoded bodies at every door that takes one."""
    said = Verdicts()
    for operation in _operations(knocking.running):
        if operation.method.upper() not in ("POST", "PUT", "PATCH"):
            continue
        path = operation.path.replace("{rtype}", "Patient").replace("{number}", knocking.numbers[0])
        for name in ("{case_id}", "{consent_id}", "{request_id}", "{credential_id}", "{id}", "{file_id}"):
            path = path.replace(name, "01a2004d-882a-7232-b7fe-524aba813525")
        path = path.replace("{", "").replace("}", "")
        for kind, raw in NASTY:
            headers = {"Content-Type": kind, "Idempotency-Key": "k"} if kind else {}
            request = requests.Request(operation.method.upper(), knocking.running.url + path, headers=headers, data=raw)
            response = knocking.send(insider(operation.path), request.prepare())
            said.judge(operation.label, operation.path, response, operation.definition.raw["responses"])
    print(f"{said.asked} requests, by status: {dict(sorted(said.statuses.items()))}")
    assert not said.found, f"\n{said}"


def test_too_much_is_refused(knocking: Knocking) -> None:
    """A body beyond every limit is refused before it is kept."""
    big = b" " * (17 * 1024 * 1024)
    for path in ("/v1/identity/enrolments", "/fhir", "/oauth/token"):
        headers = {"Content-Type": "application/json"}
        request = requests.Request("POST", knocking.running.url + path, headers=headers, data=big).prepare()
        response = knocking.send(insider(path), request)
        assert response.status_code in (400, 413), (path, response.status_code)
        assert not refusal_fault(path, response), response.text


def test_methods_that_a_door_does_not_know(knocking: Knocking) -> None:
    """405 names the methods that the door knows (RFC 9110, 15.5.6); HEAD is answered like GET, without a body."""
    url = knocking.running.url
    for path in ("/healthz", "/v1/identity/enrolments", "/fhir/Patient", "/oauth/token", "/log/checkpoint"):
        for method in ("TRACE", "PATCH", "PROPFIND"):
            answer = requests.request(method, url + path, timeout=10)
            assert answer.status_code == 405 and answer.headers.get("allow"), (method, path, answer.status_code)
    for path in ("/healthz", "/", "/openapi.json"):
        head, get = requests.head(url + path, timeout=10), requests.get(url + path, timeout=10)
        assert head.status_code == get.status_code == 200 and head.content == b"", path
        assert head.headers["content-type"] == get.headers["content-type"]


STRANGE = ["", "0", "-1", "%00", "%ff%fe", "..", "x" * 3000, "01a2004d-882a-7232-b7fe-524aba813525", "9" * 40, "'\"<>"]


async def test_pages_with_strange_addresses_and_forms(knocking: Knocking) -> None:
    """Pages that stand in no schema, signed in as a person, an officer and a clerk: never a 5xx."""
    from msingi.portal.routes import DOORS
    from msingi.signin.routes import pages

    doors = [(path, method) for door in DOORS for path in door.paths for method in door.http_methods]
    doors += [(route.path, method) for route in pages.routes for method in route.methods if method != "OPTIONS"]
    doors = sorted({d for d in doors if d[1] in ("GET", "POST") and "sign-out" not in d[0] and "/end" not in d[0]})
    assert len(doors) > 40
    people = {s["role"]: s for s in knocking.known["staff"]} | {"person": knocking.known["people"][1]}
    bad: list[str] = []
    for role in ("person", "officer", "clerk"):
        who, chance = people[role], random.Random(SEED)
        async with Visitor(knocking.running.url) as visitor:
            page = await visitor.sign_in(who.get("number") or who["id"], who["pin"], who["phone"])
            visitor.client.follow_redirects = False
            fields = page.tree.xpath("//input[@name='_ticket']/@value")
            ticket = fields[0] if fields else ""
            for path, method in doors:
                for _ in range(3):
                    address = _filled(path, chance)
                    query = (
                        f"?after={chance.choice(STRANGE)}&lang={chance.choice(STRANGE)}&next={chance.choice(STRANGE)}"
                    )
                    if method == "GET":
                        answer = await visitor.client.get(address + query)
                    else:
                        names = ("phone", "amount", "note", "order", "flow", "login", "pin", "code", "because", "same")
                        sent = {name: chance.choice(STRANGE) for name in names} | {"_ticket": ticket}
                        answer = await visitor.client.post(address + query, data=sent)
                    if answer.status_code >= 500:
                        bad.append(f"{role} {method} {address}{query}: {answer.status_code} {answer.text[:200]}")
                    if answer.status_code == 403:
                        break  # whoever may not come in is refused before anything strange is looked at
        await asyncio.sleep(0)
    assert not bad, "\n".join(bad[:20])


def _filled(path: str, chance: random.Random) -> str:
    """A path with strange values in its blanks (`{name:str}` or `{name}`)."""
    parts = [chance.choice(STRANGE) if part.startswith("{") else part for part in path.split("/")]
    return "/".join(parts) or "/"


def test_stack_is_whole_after_all_that(knocking: Knocking) -> None:
    """Nothing of it harmed the log or the books, and no error was told as a bug."""
    checked = knocking.running.run("fsck", "--home", str(knocking.running.home))
    assert checked.returncode == 0, checked.stdout
    assert json.loads(requests.get(f"{knocking.running.url}/readyz", timeout=10).text) == {"status": "ready"}
    assert "bug" not in knocking.running.log(), knocking.running.log()[-3000:]
