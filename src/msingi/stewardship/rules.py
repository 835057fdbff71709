"""The laws of licences as pure functions: what packages declare in, SPDX expressions and verdicts out."""

import re

from msingi.stewardship.model import Verdict

PERMISSIVE = frozenset(
    """0BSD Apache-2.0 BSD-2-Clause BSD-3-Clause BlueOak-1.0.0 CC0-1.0 HPND ISC MIT MIT-0 MIT-CMU OFL-1.1
    PSF-2.0 PostgreSQL
    Python-2.0 Unlicense Zlib""".split()
)
# Files under these may be used and linked; a change to them must be shared. They need a look, not a refusal.
SHARE_ALIKE = frozenset("EPL-2.0 LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-only LGPL-3.0-or-later MPL-2.0".split())

# What packages write instead of an SPDX identifier, lower case and without blanks.
_SPOKEN = {
    "apache": "Apache-2.0",
    "apache2": "Apache-2.0",
    "apache2.0": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "apachelicense": "Apache-2.0",
    "apachelicense2.0": "Apache-2.0",
    "apachelicense,version2.0": "Apache-2.0",
    "apachelicenseversion2.0": "Apache-2.0",
    "apachesoftwarelicense": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsdlicense": "BSD-3-Clause",
    "bsd3-clause": "BSD-3-Clause",
    "3-clausebsdlicense": "BSD-3-Clause",
    "newbsdlicense": "BSD-3-Clause",
    "hpnd": "HPND",
    "mitlicense": "MIT",
    "themitlicense": "MIT",
    "themitlicense(mit)": "MIT",
    "isclicense(iscl)": "ISC",
    "mozillapubliclicense2.0(mpl2.0)": "MPL-2.0",
    "psf": "PSF-2.0",
    "psf-2.0": "PSF-2.0",
    "siloflv1.1": "OFL-1.1",
    "pythonsoftwarefoundationlicense": "PSF-2.0",
}
_TERM = re.compile(r"\(|\)|\bAND\b|\bOR\b|\bWITH\b|[A-Za-z0-9.+-]+")


def spdx(expression: str, licence: str, classifiers: list[str]) -> str:
    """The SPDX expression of a package from its metadata, in the order of trust; empty if it cannot be told.

    `expression` is License-Expression (PEP 639), `licence` the old free text, `classifiers` the trove classifiers.
    """
    if expression:
        return expression
    short = licence.strip().splitlines()[0] if licence.strip() else ""
    for candidate in (short, *(c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License ::"))):
        known = _known(candidate)
        if known:
            return known
    return ""


def _known(text: str) -> str:
    if not text or len(text) > 80:
        return ""
    joined = re.sub(r"\s*/\s*", " OR ", text)
    terms = _TERM.findall(joined)
    names = [t for t in terms if t not in ("(", ")", "AND", "OR", "WITH")]
    if names and all(n in PERMISSIVE | SHARE_ALIKE for n in names):
        return joined
    return _SPOKEN.get(re.sub(r"\s+", "", text).lower(), "")


def judge(expression: str) -> Verdict:
    """What the policy says of an SPDX expression: any side of an OR may be chosen, every side of an AND binds."""
    if not expression:
        return Verdict.UNKNOWN
    terms = _TERM.findall(expression)
    verdict, rest = _either(terms)
    return verdict if not rest else Verdict.UNKNOWN


_BEST = [Verdict.ALLOWED, Verdict.REVIEW, Verdict.UNKNOWN, Verdict.REFUSED]


def _either(terms: list[str]) -> tuple[Verdict, list[str]]:
    verdict, terms = _both(terms)
    while terms and terms[0] == "OR":
        other, terms = _both(terms[1:])
        verdict = min(verdict, other, key=_BEST.index)
    return verdict, terms


def _both(terms: list[str]) -> tuple[Verdict, list[str]]:
    verdict, terms = _one(terms)
    while terms and terms[0] == "AND":
        other, terms = _one(terms[1:])
        verdict = max(verdict, other, key=_BEST.index)
    return verdict, terms


def _one(terms: list[str]) -> tuple[Verdict, list[str]]:
    if not terms:
        return Verdict.UNKNOWN, []
    if terms[0] == "(":
        verdict, rest = _either(terms[1:])
        return verdict, rest[1:] if rest[:1] == [")"] else rest
    name, rest = terms[0], terms[1:]
    if rest[:1] == ["WITH"]:  # an exception only ever adds permissions
        rest = rest[2:]
    if name in PERMISSIVE:
        return Verdict.ALLOWED, rest
    if name in SHARE_ALIKE:
        return Verdict.REVIEW, rest
    return (Verdict.REFUSED if re.match(r"A?GPL|SSPL|BUSL|Elastic", name) else Verdict.UNKNOWN), rest
