"""What every form is made from: the facts, how each may be shown, to whom it is bound, and until when it is good."""

from enum import StrEnum
from typing import Any

import msgspec

ClaimPath = tuple[str | int | None, ...]
"""Where a claim stands in a JSON document; None means every element of an array (OpenID4VCI 1.0, appendix C)."""


class Format(StrEnum):
    """The identifiers of credential formats (OpenID4VCI 1.0, appendix A)."""

    SD_JWT = "dc+sd-jwt"
    MDOC = "mso_mdoc"
    VC_JWT = "jwt_vc_json"


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One fact about the holder, as it is to be written.

    `value` is text, a number, a truth value, a list or an object of those; `date` as YYYY-MM-DD. `picture` is the
    JPEG itself. `hidden` facts are shown one by one, at the holder's choice; `elements` says that the members of a
    list are, too. `element` is where the fact stands in an mdoc (namespace, name), or empty where it does not.
    `day_members` are members of the objects in `value` that are dates.
    """

    path: tuple[str, ...]
    value: Any
    kind: str = "text"
    hidden: bool = True
    elements: bool = False
    element: tuple[str, str] = ("", "")
    day_members: tuple[str, ...] = ()


class StatusPlace(msgspec.Struct, frozen=True):
    """Where a credential's status stands: entry `index` of the status list at `uri`."""

    uri: str
    index: int


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A credential before it is signed; times are whole days in seconds since 1970.

    `vct`, `doctype` and `types` name the type in the three forms. `holder` is the public JWK that the credential is
    bound to, or None. `decoys` is how many facts the type has at most: absent ones are made up for, so that the
    number of digests tells nothing.
    """

    issuer: str
    issuer_name: str
    facts: tuple[Fact, ...]
    starts: int
    ends: int
    status: StatusPlace
    holder: dict[str, Any] | None
    vct: str = ""
    doctype: str = ""
    types: tuple[str, ...] = ()
    decoys: int = 0
