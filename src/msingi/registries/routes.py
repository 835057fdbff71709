"""Doors of the registries: GovStack's Data and Database APIs, under the names of its specification and of its suite."""

import re
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec
from litestar import Request, Response, Router, delete, get, post, put
from litestar.params import Parameter

from msingi.kernel import web
from msingi.kernel.context import Context, Kind
from msingi.kernel.errors import Malformed
from msingi.kernel.ids import PersonId
from msingi.registries import acts, jobs, wire
from msingi.registries.errors import BadContent, NoRecord
from msingi.registries.model import Register

AnyRequest = Request[Any, Any, Any]
Name = Annotated[str, Parameter(max_length=80)]
Number = Annotated[int, Parameter(ge=0, lt=2**53)]
PageSize = Annotated[int, Parameter(ge=1, le=200, description="How many records at most.")]
ORDERS = {"": False, "ascending": False, "descending": True}
PURPOSE = "msingi-purpose"
USER = re.compile(r"[A-Za-z0-9-]{2,64}")
AT = "/{registry:str}/{version:str}"


async def _asked(request: AnyRequest, registry: str, version: str) -> tuple[Register, Context]:
    """The register, and who asks, for the purpose named in Msingi-Purpose or else for the register's own."""
    caller = await web.context(request, "public-service", "public-task", signed_in=True)
    register = await acts.register_of(web.stack(request), registry, version)
    purpose = request.headers.get(PURPOSE) or register.order.purpose
    return register, msgspec.structs.replace(caller, purpose=purpose, basis=register.order.basis)


def _stored(field: str, text: str, register: Register) -> Any:
    """A value out of an address, as the field's type holds it."""
    known = register.order.fields.get(field)
    if known is None or known.type in ("string", "date"):
        return text
    try:
        return msgspec.json.decode(text.encode())
    except msgspec.DecodeError:
        raise BadContent(f"this field holds a {known.type}", field=field, rule="type") from None


@get(AT)
async def list_records(
    request: AnyRequest, registry: Name, version: Name, search: Name = "", filter: Name = "", ordering: Name = "",
    page: Name = "", pageSize: PageSize = 50,
) -> wire.Results:  # fmt: skip
    """A page of records whose field `filter` is `search`, or whose `query.<field>` are as given.

    `ordering` is ascending or descending by the time of making; `page` comes out of `next`. 400, 403, 404.
    """
    register, ctx = await _asked(request, registry, version)
    if ordering not in ORDERS:
        raise Malformed("ascending or descending", field="ordering", rule="one of")
    if bool(search) != bool(filter):
        raise Malformed("search goes with filter, the name of a field", field="filter", rule="given")
    query = {filter: _stored(filter, search, register)} if filter else {}
    for name, text in request.query_params.items():
        if name.startswith("query."):
            query[name.removeprefix("query.")] = _stored(name.removeprefix("query."), str(text), register)
    try:
        after = UUID(page) if page else None
    except ValueError:
        raise Malformed("The address of a page is used as it was given.", field="page", rule="next") from None
    found = await acts.find(
        web.stack(request), ctx, register, query, after=after, limit=pageSize, down=ORDERS[ordering]
    )
    kept = [(n, v) for n, v in request.query_params.items() if n != "page"]
    address = f"{web.stack(request).settings.url}/data/{registry}/{version}"
    return wire.results(found, address + ("?" + urlencode(kept) if kept else ""))


@post(f"{AT}/create", status_code=200)
async def create(request: AnyRequest, registry: Name, version: Name, data: wire.Write) -> wire.Box:
    """Put a record into a register. 400, 403, 404, 409 registries.key-taken."""
    register, ctx = await _asked(request, registry, version)
    return wire.Box((await acts.create(web.stack(request), ctx, register, data.write.content)).content)


@post(f"{AT}/read", status_code=200)
async def read(request: AnyRequest, registry: Name, version: Name, data: wire.Query) -> wire.Box:
    """The oldest record that fits. 400, 403, 404 registries.no-record."""
    register, ctx = await _asked(request, registry, version)
    return wire.Box((await acts.read(web.stack(request), ctx, register, data.query.content)).content)


@post(f"{AT}/exists", status_code=200)
async def exists(request: AnyRequest, registry: Name, version: Name, data: dict[str, Any]) -> wire.Exists:
    """Whether a record has all these values; nothing else of it is told. 400, 403, 404."""
    register, ctx = await _asked(request, registry, version)
    boxed = data.get("query")
    content = boxed.get("content") if set(data) == {"query"} and isinstance(boxed, dict) else data
    if not isinstance(content, dict):
        raise Malformed("an object of fields", field="query.content", rule="type")
    there = await acts.exists(web.stack(request), ctx, register, content)
    return wire.Exists(wire.Answer(there, "The record exists." if there else "There is no such record."))


@put(f"{AT}/update")
async def update(request: AnyRequest, registry: Name, version: Name, data: wire.Change) -> dict[str, wire.Box]:
    """Change exactly one record; it before and after. 400, 403, 404, 409."""
    register, ctx = await _asked(request, registry, version)
    was, now = await acts.update(web.stack(request), ctx, register, data.query.content, data.write.content)
    return {"query": wire.Box(was.content), "write": wire.Box(now.content)}


@put([f"{AT}/updateEntries", f"{AT}/update-entries"])
async def update_entries(request: AnyRequest, registry: Name, version: Name, data: wire.Change) -> wire.Results:
    """Change every record that fits, at most 500; those changed, as they are now. 400, 403, 404, 409."""
    register, ctx = await _asked(request, registry, version)
    done = await acts.update_all(web.stack(request), ctx, register, data.query.content, data.write.content)
    return wire.Results(len(done), [now.content for _, now in done])


@post([f"{AT}/updateOrCreate", f"{AT}/update-or-create"], status_code=200)
async def update_or_create(request: AnyRequest, registry: Name, version: Name, data: wire.Change) -> wire.Box:
    """Change the record that fits, or make it where there is none. 400, 403, 404, 409."""
    register, ctx = await _asked(request, registry, version)
    query, write = data.query.content, data.write.content
    return wire.Box((await acts.update_or_create(web.stack(request), ctx, register, query, write)).content)


@delete(f"{AT}/{{name:str}}/delete", status_code=204)
async def delete_record(request: AnyRequest, registry: Name, version: Name, name: Name) -> None:
    """Delete the record with this key or id; 204 also when it is gone already. 403, 404 for the register."""
    register, ctx = await _asked(request, registry, version)
    await acts.delete(web.stack(request), ctx, register, name)


@get([f"{AT}/{{name:str}}/readValue/{{file:str}}", f"{AT}/{{name:str}}/read-value/{{file:str}}"])
async def read_value(request: AnyRequest, registry: Name, version: Name, name: Name, file: Name) -> Response[bytes]:
    """One field of the record with this key or id, as JSON: `<field>.json`. 403, 404."""
    register, ctx = await _asked(request, registry, version)
    field, _, extension = file.rpartition(".")
    if extension != "json":
        raise Malformed("values are given as JSON: <field>.json", field="ext", rule="json")
    told = await acts.value(web.stack(request), ctx, register, name, field)
    if told is None:
        raise NoRecord("the field is empty")
    return Response(msgspec.json.encode(told), media_type="application/json")


async def _usage(request: AnyRequest, user: str, database: str) -> list[wire.Usage]:
    if not USER.fullmatch(user):
        raise Malformed("letters, digits and -, or `me`", field="userId", rule="name")
    if not acts.rules.NAME.fullmatch(database):
        raise Malformed("the name of a register", field="databaseId", rule="name")
    stack = web.stack(request)
    register, ctx = await _asked(request, database, "")
    person = None
    if ctx.actor.kind is Kind.PERSON:
        ctx = msgspec.structs.replace(ctx, purpose="subject-access", basis="legal-obligation")
        person = PersonId(UUID(ctx.actor.id)) if user in ("me", ctx.actor.id) else None
    lines = await acts.usage(stack, ctx, register, person)
    names = {one.code: stack.profile.say(one.name) for one in stack.profile.institutions}
    return [wire.usage(line, names.get(line.institution, line.institution), database) for line in lines]


@get("/myPersonalDataUsage")
async def my_usage(request: AnyRequest, userId: Name = "", databaseId: Name = "") -> list[wire.Usage]:
    """Who used one's own records of a register; `userId` is `me` for the person who is signed in. 400, 403, 404."""
    return await _usage(request, userId, databaseId)


@get("/MyPersonalDataUsage/1.0")
async def my_usage_suite(request: AnyRequest, userID: Name = "", DatabaseID: Name = "") -> list[wire.Usage]:
    """The same under the names that GovStack's test suite uses. 400, 403, 404."""
    return await _usage(request, userID, DatabaseID)


@get("/databases")
async def databases(request: AnyRequest, after: Number = 0, limit: PageSize = 100) -> wire.Databases:
    """The registers with their descriptions, by number; `after` is the last number of the page before."""
    stack = web.stack(request)
    return wire.databases(await acts.registers(stack, after, limit), stack.profile.alpha2)


@get("/database/{number:int}")
async def one_database(request: AnyRequest, number: Number) -> dict[str, Any]:
    """One register with its description. 404 registries.register-unknown."""
    return wire.database(await acts.register_by_id(web.stack(request), number))


@post("/database/modify", status_code=200)
async def modify(request: AnyRequest, data: wire.Modify) -> dict[str, Any]:
    """Describe a register of one's own, or say its words and rights anew. 400, 403, 409."""
    ctx = await web.context(request, "public-service", "public-task", signed_in=True)
    order = wire.order_of(data, ctx.actor.institution)
    return wire.database(await acts.describe(web.stack(request), ctx, order))


@delete("/database/{number:int}", status_code=200)
async def end(request: AnyRequest, number: Number) -> Response[bytes]:
    """End a register of one's own that holds nothing; "Success" also when it is gone already. 403, 409."""
    ctx = await web.context(request, "public-service", "public-task", signed_in=True)
    await acts.end(web.stack(request), ctx, number)
    return Response(msgspec.json.encode("Success"), media_type="application/json")


records = [
    list_records, create, read, exists, update, update_entries, update_or_create, delete_record, read_value, my_usage,
    my_usage_suite,
]  # fmt: skip
routers = [
    Router("/data", route_handlers=records, tags=["registries"]),
    Router("/", route_handlers=[databases, one_database, modify, end], tags=["registries"]),
]
authenticators = [jobs.authenticate]
dialects = {"/data/": wire.dialect, "/database": wire.dialect, "/databases": wire.dialect}
