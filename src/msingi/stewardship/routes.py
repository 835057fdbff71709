"""Public doors of the stewardship room."""

from typing import Any

from litestar import Request, Response, Router, get

from msingi import __version__
from msingi.kernel import clock, web
from msingi.stewardship import acts, wire

TAGS = ["stewardship"]


@get(
    "/sbom.cdx.json",
    summary="What the stack is made of, as CycloneDX",
    tags=TAGS,
    sync_to_thread=True,
    opt={"gives": ("application/vnd.cyclonedx+json",)},
)
def sbom() -> Response[dict[str, Any]]:
    """The software bill of materials of the running stack, CycloneDX 1.6, read from what is installed."""
    body = wire.cyclonedx(acts.inventory(), __version__, clock.now())
    return Response(body, media_type="application/vnd.cyclonedx+json; version=1.6")


@get("/licences", summary="Licences, and what needs a look", tags=TAGS, sync_to_thread=True)
def licences() -> dict[str, Any]:
    """How many components are under which licence, and every one that the policy does not simply allow."""
    components = acts.inventory()
    counts: dict[str, int] = {}
    for component in components:
        counts[component.licence or "unknown"] = counts.get(component.licence or "unknown", 0) + 1
    return {"components": len(components), "licences": counts, "findings": wire.findings(components)}


@get("/algorithms", summary="Decisions that are made or prepared by rule", tags=TAGS, sync_to_thread=False)
def algorithms(request: Request[Any, Any, Any], lang: str = "") -> list[dict[str, Any]]:
    """The public register: what each rule decides, how, its limits, who looks, and how to contest it."""
    say = web.stack(request).profile.say
    return [
        {"name": a.name, "room": a.room, "source": a.source}
        | {part: say(getattr(a, part), lang) for part in ("decides", "logic", "limits", "person", "contest")}
        for a in acts.algorithms().values()
    ]


routers = [Router("/v1/stewardship", route_handlers=[sbom, licences, algorithms])]
