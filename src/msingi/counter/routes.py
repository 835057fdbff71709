"""Doors of the counter: its pages for everybody and people, and those of the desk; no door for programs.

Programs use the doors of identity, which stand in the API reference. Here is only the list that the composition root
takes, and the block that puts the counter into the portal's menus.
"""

from litestar import Router

from msingi.counter import (
    pages,
    pages_accounts,
    pages_cards,
    pages_clients,
    pages_court,
    pages_field,
    pages_kinds,
    pages_queues,
    pages_scans,
    pages_staff,
)
from msingi.portal.trouble import HANDLERS

block = pages.BLOCK
# Every door that changes something is a form of a session, except those of an application: nobody has a session yet,
# and whoever has the reference may withdraw it.
DOORS = [
    *pages.doors,
    *pages_staff.doors,
    *pages_cards.doors,
    *pages_queues.doors,
    *pages_court.doors,
    *pages_accounts.doors,
    *pages_clients.doors,
    *pages_kinds.doors,
    *pages_field.doors,
    *pages_scans.doors,
]
routers = [Router("/", route_handlers=DOORS, exception_handlers=HANDLERS, include_in_schema=False)]
