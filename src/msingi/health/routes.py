"""The FHIR doors at /fhir (HL7 FHIR R4 3.1): decode, call the act, answer in FHIR JSON."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, urlencode

from litestar import Request, Response, Router, get, post, put
from litestar.enums import MediaType

from msingi import __version__
from msingi.health import acts, rules, searching, wire
from msingi.health.errors import BadTransaction, NotFhir, NotJson, NotJsonSent, NotSupported
from msingi.health.model import Issue, Json, Outcome, Stored
from msingi.kernel import clock, web
from msingi.kernel.context import Context, Kind
from msingi.kernel.errors import NotFound, Refusal
from msingi.kernel.stack import Stack

Asked = Request[Any, Any, Any]
TAKES_FHIR = {"takes": (wire.FHIR_JSON,)}
_JSON = re.compile(r"(application/fhir\+json|application/json|text/json|application/\*|\*/\*|text/\*)", re.I)
_NOT_JSON = re.compile(r"xml|turtle|ttl", re.I)


async def _who(request: Asked) -> Context:
    """The context of a clinical request: treatment, or a person's access to their own record."""
    ctx = await web.context(request, purpose="health-care", basis="contract", signed_in=True)
    if ctx.actor.kind is Kind.PERSON:
        return await web.context(request, purpose="subject-access", basis="legal-obligation", signed_in=True)
    return ctx


def _speaks_json(request: Asked) -> None:
    """Raises NotJson if the answer is wanted in another form only; `_format` goes before Accept (3.1.0.1.11)."""
    wanted = request.query_params.get("_format")
    if wanted is not None:
        if wanted.lower() != "json" and not _JSON.match(wanted):
            raise NotJson()
    elif (accept := request.headers.get("accept", "*/*")) and not _JSON.search(accept) and _NOT_JSON.search(accept):
        raise NotJson()


async def _body(request: Asked) -> Any:
    kind = request.headers.get("content-type", wire.FHIR_JSON).partition(";")[0].strip().lower()
    if kind not in (wire.FHIR_JSON, "application/json", "text/json"):
        raise NotJsonSent()
    return wire.decode(await request.body())


def _address(request: Asked) -> str:
    return f"{web.stack(request).settings.url}/fhir"


def _answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    told = {"Cache-Control": "no-store"} | (headers or {})
    return Response(wire.encode(body), status_code=status, media_type=wire.FHIR_JSON, headers=told)


def _version_headers(stored: Stored) -> dict[str, str]:
    modified = stored.updated.strftime("%a, %d %b %Y %H:%M:%S GMT")
    return {"ETag": stored.etag, "Last-Modified": modified}


def _written(request: Asked, outcome: Outcome) -> Response[bytes]:
    headers = _version_headers(outcome.stored) | {"Location": f"{_address(request)}/{outcome.stored.location}"}
    if "return=minimal" in request.headers.get("prefer", ""):
        return Response(b"", status_code=outcome.status, media_type=wire.FHIR_JSON, headers=headers)
    return _answer(outcome.stored.body, outcome.status, headers)


@get("/metadata", summary="What these doors offer", media_type=MediaType.JSON)
async def metadata(request: Asked) -> Response[bytes]:
    """The CapabilityStatement (FHIR R4 3.1.0.12); needs no sign-in."""
    _speaks_json(request)
    return _answer(wire.capability_statement(_address(request), clock.now(), __version__))


@post("/", summary="A transaction or batch bundle", status_code=200, opt=TAKES_FHIR)
async def bundle(request: Asked) -> Response[bytes]:
    """Carry out a Bundle: a transaction as a whole, a batch entry by entry (FHIR R4 3.1.0.10)."""
    _speaks_json(request)
    ctx, body = await _who(request), await _body(request)
    stack = web.stack(request)
    if isinstance(body, dict) and body.get("resourceType") == "Bundle" and body.get("type") == "batch":
        return _answer(await _batch(stack, ctx, body, web.request_id(request)))
    key = request.headers.get("idempotency-key", "")
    return _answer(await acts.store_bundle(stack, ctx, body, key=key))


async def _batch(stack: Stack, ctx: Context, body: Json, request_id: str) -> Json:
    """Each entry is an act of its own; what is refused is told in its place."""
    entries = body.get("entry", [])
    if not isinstance(entries, list) or len(entries) > rules.ENTRY_LIMIT:
        raise BadTransaction(f"A batch has at most {rules.ENTRY_LIMIT} entries.")
    answers = []
    for index, entry in enumerate(entries):
        try:
            answers.append(await _batch_entry(stack, ctx, index, entry))
        except Refusal as refusal:
            outcome, _ = wire.outcome(refusal, request_id)
            answers.append({"response": {"status": str(refusal.status), "outcome": outcome}})
    bundle: Json = {"resourceType": "Bundle", "type": "batch-response"}
    return bundle | ({"entry": answers} if answers else {})


async def _batch_entry(stack: Stack, ctx: Context, index: int, entry: Any) -> Json:
    request = entry.get("request") if isinstance(entry, dict) else None
    if not isinstance(request, dict) or not isinstance(request.get("url"), str):
        raise BadTransaction("An entry of a batch needs a request with a url.", entry=index)
    url, _, query = request["url"].partition("?")
    rtype, _, id = url.strip("/").partition("/")
    if request.get("method") == "GET" and not id:
        page, used = await acts.search(stack, ctx, rtype, tuple(parse_qsl(query)))
        return {"resource": _searchset(stack, page, used), "response": {"status": "200 OK"}}
    if request.get("method") == "GET":
        found = await acts.read(stack, ctx, rtype, id)
        return {"resource": found.body, "response": {"status": "200 OK", "etag": found.etag}}
    if request.get("method") == "POST":
        rules_of = str(request.get("ifNoneExist", ""))
        outcome = await acts.create(stack, ctx, rtype, entry.get("resource"), if_none_exist=rules_of)
    elif request.get("method") == "PUT" and not query:
        match = str(request.get("ifMatch", ""))
        outcome = await acts.update(stack, ctx, rtype, id, entry.get("resource"), if_match=match)
    else:
        raise NotSupported("A batch takes GET, POST and PUT entries.", entry=index)
    return wire.transaction_response([outcome])["entry"][0]


@post("/{rtype:str}", summary="Create a resource", opt=TAKES_FHIR)
async def create(request: Asked, rtype: str) -> Response[bytes]:
    """Create (FHIR R4 3.1.0.8); `If-None-Exist` makes it conditional."""
    _speaks_json(request)
    ctx, body = await _who(request), await _body(request)
    condition = request.headers.get("if-none-exist", "")
    return _written(request, await acts.create(web.stack(request), ctx, rtype, body, if_none_exist=condition))


@put("/{rtype:str}/{id:str}", summary="Replace a resource by a new version", opt=TAKES_FHIR)
async def update(request: Asked, rtype: str, id: str) -> Response[bytes]:
    """Update (FHIR R4 3.1.0.4); `If-Match` names the version that the change was made on."""
    _speaks_json(request)
    ctx, body = await _who(request), await _body(request)
    match = request.headers.get("if-match", "")
    return _written(request, await acts.update(web.stack(request), ctx, rtype, id, body, if_match=match))


@get("/{rtype:str}/{id:str}", summary="Read a resource")
async def read(request: Asked, rtype: str, id: str) -> Response[bytes]:
    """Read (FHIR R4 3.1.0.2)."""
    _speaks_json(request)
    found = await acts.read(web.stack(request), await _who(request), rtype, id)
    return _answer(found.body, 200, _version_headers(found))


@get("/{rtype:str}/{id:str}/_history/{version:str}", summary="Read a version of a resource")
async def vread(request: Asked, rtype: str, id: str, version: str) -> Response[bytes]:
    """Read one version (FHIR R4 3.1.0.3)."""
    _speaks_json(request)
    if not re.fullmatch(r"[1-9][0-9]{0,8}", version):
        raise NotFound()
    found = await acts.read(web.stack(request), await _who(request), rtype, id, version=int(version))
    return _answer(found.body, 200, _version_headers(found))


@get("/{rtype:str}/{id:str}/_history", summary="All versions of a resource")
async def history(request: Asked, rtype: str, id: str) -> Response[bytes]:
    """Instance history, newest first (FHIR R4 3.1.0.11)."""
    _speaks_json(request)
    versions = await acts.history(web.stack(request), await _who(request), rtype, id)
    base = _address(request)
    return _answer(wire.history(versions, base, f"{base}/{rtype}/{id}/_history"))


def _searchset(stack: Stack, page: Any, used: searching.Query) -> Json:
    base = f"{stack.settings.url}/fhir"
    address = f"{base}/{used.rtype}"
    self_link = address + ("?" + urlencode(used.pairs, safe="|,:/") if used.pairs else "")
    return wire.searchset(page, base, self_link, f"{address}?_page={page.next_token}" if page.next_token else "")


async def _search(request: Asked, rtype: str, pairs: searching.Pairs) -> Response[bytes]:
    stack, ctx = web.stack(request), await _who(request)
    token = dict(pairs).get("_page", "")
    if token and len(pairs) > 1:
        raise NotFhir([Issue(code="value", rule="_page stands alone: use the link as it was given")])
    page, used = await acts.search(stack, ctx, rtype, () if token else pairs, token=token)
    return _answer(_searchset(stack, page, used))


@get("/{rtype:str}", summary="Search resources of a type")
async def search(request: Asked, rtype: str) -> Response[bytes]:
    """Search (FHIR R4 3.1.1); an unknown parameter is refused."""
    _speaks_json(request)
    return await _search(request, rtype, tuple(parse_qsl(request.url.query, keep_blank_values=True)))


@post(
    "/{rtype:str}/_search",
    summary="Search without parameters in the address",
    status_code=200,
    opt={"takes": ("application/x-www-form-urlencoded",)},
)
async def search_by_form(request: Asked, rtype: str) -> Response[bytes]:
    """Search by form (FHIR R4 3.1.1.1): for numbers that must not stand in an address."""
    _speaks_json(request)
    form = parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True)
    return await _search(request, rtype, tuple([*parse_qsl(request.url.query), *form]))


def _of_patient(rtype: str) -> None:
    """Raises NotSupported for an operation that only a Patient has."""
    if rtype != "Patient":
        raise NotSupported("Only a Patient has this operation.")


@get("/{rtype:str}/{id:str}/$everything", summary="A person's whole record")
async def everything(request: Asked, rtype: str, id: str) -> Response[bytes]:
    """Patient $everything, in pages; `_count` is the size of a page."""
    _speaks_json(request)
    _of_patient(rtype)
    asked = {k: v for k, v in parse_qsl(request.url.query) if k not in ("_format", "_pretty")}
    pairs = tuple(one for one in asked.items() if one[0] != "_page")
    query = searching.parse("Patient", pairs)
    if {name for name, _ in pairs} - {"_count"}:
        raise NotSupported("$everything takes _count.")
    count = query.count if pairs else searching.PAGE_LIMIT
    stack, base = web.stack(request), _address(request)
    token = asked.get("_page", "")
    page = await acts.everything(stack, await _who(request), id, count=count, token=token)
    address = f"{base}/Patient/{id}/$everything"
    following = f"{address}?_count={count}&_page={page.next_token}" if page.next_token else ""
    return _answer(wire.searchset(page, base, address, following))


@get("/{rtype:str}/{id:str}/$summary", summary="The International Patient Summary")
async def summary(request: Asked, rtype: str, id: str) -> Response[bytes]:
    """Patient $summary: one IPS document (IPS 2.0.0)."""
    _speaks_json(request)
    _of_patient(rtype)
    return _answer(await acts.summary_of_patient(web.stack(request), await _who(request), id))


routers: list[Router] = [
    Router(
        path="/fhir",
        tags=["health"],
        opt={"gives": (wire.FHIR_JSON,)},
        route_handlers=[
            metadata,
            bundle,
            create,
            update,
            read,
            vread,
            history,
            search,
            search_by_form,
            everything,
            summary,
        ],
    )
]
dialects: dict[str, web.Dialect] = {"/fhir": wire.outcome}
