"""The web application as Litestar builds it, in time that grows with the number of doors and not with its square.

Litestar copies a router with everything below it before it registers it, and looks through all doors that it has for
each new one: with a thousand doors that is half of a start (docs/decisions/0068-start.md).
"""

from copy import copy
from typing import Any

from litestar import Litestar, Router
from litestar.routes import BaseRoute, HTTPRoute, WebSocketRoute
from litestar.types.internal_types import RouteHandlerMapItem


class Assembly(Litestar):
    """Litestar; what is registered is copied as far as registering changes it."""

    @property
    def route_handler_method_map(self) -> dict[str, RouteHandlerMapItem]:
        """Doors by path and method, kept from call to call: only routes that are new, or were replaced, are read."""
        known: dict[str, RouteHandlerMapItem] = self.__dict__.setdefault("_by_path", {})
        read: list[BaseRoute] = self.__dict__.setdefault("_read", [])
        for place, route in enumerate(self.routes):
            if place < len(read) and read[place] is route:
                continue
            read[place : place + 1] = [route]
            if isinstance(route, HTTPRoute):
                for handler in route.route_handlers:
                    known.setdefault(route.path, {}).update(dict.fromkeys(handler.http_methods, handler))
            else:
                kind = "websocket" if isinstance(route, WebSocketRoute) else "asgi"
                known.setdefault(route.path, {})[kind] = route.route_handler
        return known

    def _validate_registration_value(self, value: Any) -> Any:
        if not isinstance(value, Router) or value is self:
            return super()._validate_registration_value(value)
        made = _copied(value)
        made.owner = self
        return made


def _copied(router: Router) -> Router:
    """The router with routes, doors and owners of its own: several applications can have the same doors."""
    owners: dict[int, Any] = {}

    def owner(of: Any) -> Any:
        if of is not None and id(of) not in owners:
            owners[id(of)] = made = copy(of)
            made.owner = owner(of.owner)
        return owners.get(id(of))

    def door(handler: Any) -> Any:
        made = copy(handler)
        made.owner = owner(handler.owner)
        return made

    copied = owner(router)
    copied.routes = []
    for route in router.routes:
        made = copy(route)
        if isinstance(made, HTTPRoute):
            made.route_handlers = [door(handler) for handler in made.route_handlers]
        else:
            made.route_handler = door(made.route_handler)
        copied.routes.append(made)
    return copied
