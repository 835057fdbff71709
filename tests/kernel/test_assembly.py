"""The application's own way to register doors gives what Litestar's gives, twice over."""

from litestar import Litestar, Router, get, post, websocket

from msingi.assembly import Assembly


@get("/one")
async def one() -> None: ...


@get("/two/{part:str}")
async def two(part: str) -> None: ...


@post("/one")
async def more() -> None: ...


@websocket("/talk")
async def talk(socket: object) -> None: ...


def guard(connection: object, handler: object) -> None: ...


def told(application: Litestar) -> list[object]:
    """Every door as it is served: path, method, function, and what holds for it from all layers above."""
    found: list[object] = []
    for route in application.routes:
        handlers = getattr(route, "route_handlers", None) or [route.route_handler]
        for handler in handlers:
            layers = handler.ownership_layers
            assert layers[0] is application
            methods = sorted(getattr(handler, "http_methods", []))
            found.append((route.path, methods, handler.handler_name, len(layers), len(handler.resolve_guards())))
    return sorted(found, key=str)


def test_the_doors_are_litestars_and_several_applications_share_none():
    inner = Router("/inner", route_handlers=[one, two], guards=[guard])
    routers = [Router("/a", route_handlers=[inner, more, talk]), Router("/b", route_handlers=[more, two]), one]
    expected, made, again = (told(kind(routers, openapi_config=None)) for kind in (Litestar, Assembly, Assembly))
    assert len(expected) > 5 and made == expected and again == expected


def test_no_door_of_one_application_is_anothers():
    routers = [Router("/a", route_handlers=[one, two])]
    first, second = (Assembly(routers, openapi_config=None) for _ in range(2))
    of = [{id(h) for r in made.routes for h in getattr(r, "route_handlers", [])} for made in (first, second)]
    assert of[0] and not of[0] & of[1]
