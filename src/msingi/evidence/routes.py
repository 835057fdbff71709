"""Public doors of the evidence room: each published indicator as JSON, CSV, SDMX-CSV and chart."""

from typing import Any

from litestar import Request, Response, Router, get

from msingi.evidence import acts, wire
from msingi.kernel import web
from msingi.kernel.errors import Malformed

CACHE = {"Cache-Control": "public, max-age=300"}
TAGS = ["evidence"]


def _language(request: Request[Any, Any, Any], language: str | None) -> str:
    profile = web.stack(request).profile
    if language is not None and (len(language) != 2 or not language.isalpha()):
        raise Malformed("A language is two letters (ISO 639-1).", field="lang", rule="two-letters")
    return language or profile.language


@get("/v1/figures", summary="Which indicators are published", tags=TAGS, sync_to_thread=False)
def list_indicators(request: Request[Any, Any, Any], lang: str | None = None) -> dict[str, Any]:
    """The indicators, with definition and caveat, and where each can be had."""
    language, say = _language(request, lang), web.stack(request).profile.say
    return {
        "indicators": [
            {
                "code": i.code,
                "title": say(i.title, language),
                "definition": say(i.definition, language),
                "caveat": say(i.caveat, language),
                "links": {form: f"/figures/{i.code}.{form}" for form in ("json", "csv", "svg", "sdmx.csv")},
            }
            for i in acts.indicators().values()
        ]
    }


@get(
    "/figures/{name:str}",
    summary="One indicator as JSON, CSV, SDMX-CSV or chart",
    tags=TAGS,
    raises=[],
    media_type="application/json",
    opt={"gives": ("application/json", "text/csv", "application/vnd.sdmx.data+csv", "image/svg+xml")},
)
async def published(request: Request[Any, Any, Any], name: str, lang: str | None = None) -> Response[Any]:
    """The newest edition of an indicator: `16.9.1.json`, `.csv`, `.sdmx.csv` or `.svg`.

    Every figure has its margin of error; the JSON form says how much of the privacy budget was spent.
    """
    stack, language = web.stack(request), _language(request, lang)
    for ending in (".sdmx.csv", ".csv", ".svg", ".json"):
        if name.endswith(ending):
            shown = acts.indicator(name.removesuffix(ending))
            break
    else:
        raise Malformed("The name ends in .json, .csv, .sdmx.csv or .svg.", field="name", rule="known-form")
    edition = await acts.newest(stack, shown.code)
    if ending == ".json":
        return Response(wire.as_json(stack.profile, shown, edition, language), headers=CACHE)
    if ending == ".svg":
        body = wire.as_svg(stack.profile, shown, edition, language)
        return Response(body, media_type="image/svg+xml", headers=CACHE)
    if ending == ".csv":
        return Response(
            wire.as_csv(stack.profile, edition, language), media_type="text/csv; charset=utf-8", headers=CACHE
        )
    body = wire.as_sdmx_csv(stack.profile, shown, edition)
    return Response(body, media_type="application/vnd.sdmx.data+csv; version=2.1.0", headers=CACHE)


routers = [Router("/", route_handlers=[list_indicators, published])]
