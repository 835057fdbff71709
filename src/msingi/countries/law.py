"""The data-protection law of a country as data: rights with their deadlines, grounds to refuse, duties to keep.

It stands in `law.toml` of the profile folder. `checked` says what a deadline or a section rests on, so that a lawyer
knows what is still to be looked up: "statute", "secondary" (a published note on it) or "sample" (this profile's own).
"""

import msgspec

from msingi.kernel.context import PURPOSES

Text = dict[str, str]
RIGHTS = ("access", "portability", "rectification", "erasure", "objection", "explanation")
CHECKED = ("statute", "secondary", "sample")


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every part of the law refuses members that it does not know."""


class Right(Part, frozen=True):
    """A right of the person: its section, within how many days it is answered, and what it means in plain words."""

    right: str
    section: str
    days: int
    checked: str
    text: Text


class Ground(Part, frozen=True):
    """A reason that the law accepts for refusing some rights; the person reads `text`."""

    code: str
    rights: list[str]
    section: str
    text: Text


class Duty(Part, frozen=True):
    """A purpose whose records the law requires to keep, also against the person's wish; and which law that is."""

    purpose: str
    law: str
    text: Text


class Complaints(Part, frozen=True):
    """The clock of complaints: days for the institution, then for the authority, and to appeal after an answer."""

    section: str
    institution_days: int
    authority_days: int
    appeal_days: int
    checked: str


class Veils(Part, frozen=True):
    """How long, and for which purposes, a court may keep accesses out of the sight of the person; by default never."""

    section: str = ""
    most_days: int = 0
    purposes: tuple[str, ...] = ()
    checked: str = "sample"


class Court(Part, frozen=True):
    """A court whose judges may order: the code under which they sign in, and its name as people read it."""

    code: str
    name: Text


class Disclosure(Part, frozen=True):
    """What a person's own view of accesses shows with less detail, because the rest is about a relative.

    It applies to the `acts` (an act, or a room and a point: `health.`) for the `purposes` (none: any). Of the line's
    detail it leaves out the members named in `hide`, or all for `*`; with `actor` it leaves out who it was, too.
    """

    acts: tuple[str, ...]
    hide: tuple[str, ...]
    text: Text
    purposes: tuple[str, ...] = ()

    def covers(self, act: str, purpose: str) -> bool:
        """Whether a line of this act, for this purpose, is shown with less detail."""
        named = any(act == one or (one.endswith(".") and act.startswith(one)) for one in self.acts)
        return named and (not self.purposes or purpose in self.purposes)


class ProtectionLaw(Part, frozen=True):
    """The data-protection law in force: `source` says what the profile was written from."""

    citation: str
    source: str
    authority: str
    contact: str
    complaints: Complaints
    rights: list[Right]
    grounds: list[Ground]
    duties: list[Duty]
    veils: Veils = Veils()
    disclosures: tuple[Disclosure, ...] = ()
    courts: tuple[Court, ...] = ()

    def right(self, name: str) -> Right:
        """One right. KeyError for another name; `mistakes` makes sure that all of RIGHTS are there."""
        return {r.right: r for r in self.rights}[name]

    def days(self, kind: str) -> int:
        """Within how many days an institution answers a request or a complaint."""
        return self.complaints.institution_days if kind == "complaint" else self.right(kind).days

    def refusals(self, kind: str) -> list[Ground]:
        """The grounds on which the law lets a right be refused."""
        return [g for g in self.grounds if kind in g.rights]

    def duty(self, purpose: str) -> Duty | None:
        """The duty to keep what is kept for a purpose, if there is one."""
        return next((d for d in self.duties if d.purpose == purpose), None)


def mistakes(law: ProtectionLaw, languages: list[str]) -> list[str]:
    """Every rule that the law's data breaks, as sentences; an empty list for a good one."""
    named = [r.right for r in law.rights]
    wrong = [f"law.rights: says nothing of {right}" for right in RIGHTS if right not in named]
    wrong += [f"law.rights: {right} is not a right that the stack knows" for right in named if right not in RIGHTS]
    wrong += [f"law.rights.{r.right}: days must lie between 1 and 365" for r in law.rights if not 1 <= r.days <= 365]
    marks = [(f"law.rights.{r.right}", r.checked) for r in law.rights] + [("law.complaints", law.complaints.checked)]
    wrong += [f"{label}.checked: is one of {', '.join(CHECKED)}" for label, mark in marks if mark not in CHECKED]
    clock = law.complaints
    if min(clock.institution_days, clock.authority_days, clock.appeal_days) < 1:
        wrong.append("law.complaints: every number of days is at least 1")
    texts = [(f"law.rights.{r.right}", r.text) for r in law.rights]
    texts += [(f"law.grounds.{g.code}", g.text) for g in law.grounds]
    texts += [(f"law.duties.{d.purpose}", d.text) for d in law.duties]
    texts += [(f"law.courts.{c.code}", c.name) for c in law.courts]
    texts += [(f"law.disclosures.{' '.join(d.acts)}", d.text) for d in law.disclosures]
    wrong += _mistaken_views(law)
    for label, text in texts:
        lacking = [language for language in languages if language not in text]
        if lacking:
            wrong.append(f"{label}: lacks the languages {', '.join(lacking)}")
    for ground in law.grounds:
        unknown = set(ground.rights) - set(RIGHTS) - {"complaint"}
        wrong += [f"law.grounds.{ground.code}: {right} is not a right" for right in sorted(unknown)]
    wrong += [f"law.duties: {d.purpose} is not a purpose" for d in law.duties if d.purpose not in PURPOSES]
    wrong += [f"law.grounds: nothing lets an institution refuse {r}" for r in RIGHTS[2:5] if not law.refusals(r)]
    return wrong


def _mistaken_views(law: ProtectionLaw) -> list[str]:
    veils = law.veils
    wrong = [f"law.veils: {p} is not a purpose" for p in veils.purposes if p not in PURPOSES]
    if not 0 <= veils.most_days <= 3650 or bool(veils.purposes) != bool(veils.most_days):
        wrong.append("law.veils: most_days lies between 1 and 3650 where purposes are named, and is 0 otherwise")
    if veils.checked not in CHECKED:
        wrong.append(f"law.veils.checked: is one of {', '.join(CHECKED)}")
    for rule in law.disclosures:
        wrong += [f"law.disclosures: {p} is not a purpose" for p in rule.purposes if p not in PURPOSES]
        if not rule.acts or not rule.hide:
            wrong.append("law.disclosures: each names acts, and what to hide of them")
    return wrong
