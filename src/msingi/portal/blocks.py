"""What building blocks add to the portal: pages, texts, and entries of the menus.

A block is a room above the portal, which the app introduces here; the portal imports none of them. The pages in its
folder `templates` are named `<room>/<page>.html` and extend `base.html`. Its `texts/<language>.toml` are read with the
portal's own; where it lacks a language, its English stands in. News after a form is a text named `<room>.said_...`.
"""

from msgspec import Struct

from msingi.kernel.context import Actor, Kind
from msingi.portal.model import MenuItem


class Block(Struct, frozen=True):
    """One block: its room, its entry in people's menu and in the desk's, which staff with one of `roles` see.

    `looks` are acts by which people only look at their own data: they are shown folded in "who looked". `home` is what
    the first page offers everybody: its words are `<room>.home_<name>` and `<room>.home_<name>_text`. `desks` are
    further entries of the desk's menu, each with the roles that see it.
    """

    room: str
    person: MenuItem | None = None
    desk: MenuItem | None = None
    roles: frozenset[str] = frozenset()
    looks: frozenset[str] = frozenset()
    home: tuple[MenuItem, ...] = ()
    desks: tuple[tuple[MenuItem, frozenset[str]], ...] = ()


_known: dict[str, Block] = {}


def add(block: Block) -> None:
    """Make a block known; once more is harmless."""
    _known[block.room] = block


def home() -> tuple[tuple[str, MenuItem], ...]:
    """What the blocks offer everybody on the first page: (room, item)."""
    return tuple((block.room, item) for block in _known.values() for item in block.home)


def rooms() -> tuple[str, ...]:
    """The rooms of all blocks, in the order of the menus."""
    return tuple(_known)


def menu_of(actor: Actor) -> tuple[MenuItem, ...]:
    """The blocks' entries in the menu of a person, or of a member of staff by roles."""
    if actor.kind is Kind.STAFF:
        entries = [(b.desk, b.roles) for b in _known.values() if b.desk] + [e for b in _known.values() for e in b.desks]
        return tuple(item for item, roles in entries if actor.roles & roles)
    return tuple(b.person for b in _known.values() if b.person)


def is_look(act: str) -> bool:
    """Whether a block says that this act only looks."""
    return any(act in block.looks for block in _known.values())


def is_news(key: str) -> bool:
    """Whether a text is news that a block may tell after a form."""
    room, _, name = key.partition(".")
    return room in _known and name.startswith("said_")
