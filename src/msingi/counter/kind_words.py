"""How a type of credential reads to people: its forms, where a claim's value comes from, and the other way round."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from msingi.credentials.issuance import facts as known_facts
from msingi.credentials.issuance import kinds
from msingi.credentials.issuance.model import ClaimKind, ClaimRule, Kind
from msingi.portal.model import Form
from msingi.portal.visit import Visit
from msingi.portal.words import languages, load

_SHAPES = {"dc+sd-jwt": "SD-JWT VC", "mso_mdoc": "mdoc", "jwt_vc_json": "W3C VC"}
# What an officer can state in a form of one line, by the kind of its value.
_STATED = (ClaimKind.TEXT, ClaimKind.DATE, ClaimKind.NUMBER, ClaimKind.FLAG, ClaimKind.LIST)


def formats(some: Iterable[Any]) -> str:
    """The forms by their names."""
    return " + ".join(_SHAPES[str(getattr(form, "value", form))] for form in some)


def tongue(code: str) -> str:
    """A language's own name."""
    return load(code).plain("language.name") if code in languages() else code


def _register(seen: Visit) -> dict[str, ClaimRule]:
    """For each source of the stack's own a claim of the country's kinds that uses it: it has words and a type."""
    found: dict[str, ClaimRule] = {}
    for kind in kinds.of_profile(seen.stack.profile):
        for claim in kind.claims:
            if claim.source in known_facts.SOURCES:
                found.setdefault(claim.source, claim)
    return found


def sources(seen: Visit) -> tuple[tuple[str, str], ...]:
    """Where a value can come from: what an officer states, and the facts that the stack knows."""
    own = tuple((f"institution:{kind}", seen.say(f"counter.stated_{kind}")) for kind in _STATED)
    words = _register(seen)
    known = tuple((source, seen.say("counter.from_register", what=seen.of(words[source].name))) for source in words)
    return own + known


def source(seen: Visit, claim: ClaimRule) -> str:
    """Where a claim's value comes from, in words."""
    if claim.source == "institution":
        said = seen.say(f"counter.stated_{claim.kind}") if claim.kind in _STATED else str(claim.kind)
        return f"{said}: {', '.join(claim.choices)}" if claim.choices else said
    words = _register(seen).get(claim.source)
    return seen.say("counter.from_register", what=seen.of(words.name) if words else claim.source)


def key_of(name: Mapping[str, str]) -> str:
    """A key out of the first name in Latin letters; empty where there is none."""
    for text in (name.get("en", ""), *name.values()):
        key = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
        if re.fullmatch(r"[a-z][a-z0-9_]{0,39}", key):
            return key
    return ""


def claim(seen: Visit, form: Form, key: str, name: dict[str, str], doctype: str) -> dict[str, Any]:
    """A claim as a description has it, from the answers of the form."""
    chosen = form.value("claim_source")
    where, _, what = chosen.partition(":")
    known = _register(seen).get(chosen)
    found: dict[str, Any] = {
        "path": [key],
        "name": name,
        "source": where if what else chosen,
        "kind": what or (known.kind.value if known else ClaimKind.TEXT.value),
        "required": form.value("claim_needed") == "yes",
    }
    if what in (ClaimKind.TEXT, ClaimKind.LIST):
        choices = (part.strip() for part in form.value("claim_choices").split(","))
        found["choices"] = [part for part in dict.fromkeys(choices) if part]
    if doctype:
        found["element"] = [doctype, key]
    return found


def facts(seen: Visit, kind: Kind) -> tuple[tuple[str, str], ...]:
    """A description's own facts, as question and answer."""
    say = seen.say
    yes = {True: say("wallet.yes"), False: say("wallet.no")}
    names = tuple((say("counter.ask_kind_name", language=tongue(code)), text) for code, text in kind.name.items())
    return (
        *names,
        (say("counter.ask_kind_id"), kind.kind),
        (say("counter.ask_formats"), formats(kind.formats)),
        (say("counter.ask_years"), str(kind.years)),
        (say("counter.ask_copy_days"), str(kind.copy_days)),
        (say("counter.ask_several"), yes[kind.several]),
        (say("counter.ask_approval"), yes[kind.approval]),
        (say("counter.ask_haip"), yes[kind.haip]),
    )
