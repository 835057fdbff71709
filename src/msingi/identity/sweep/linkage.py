"""The weights of the duplicate search as a model of Splink, and a comparison of many records by it on DuckDB.

Pure apart from DuckDB, which runs in this process and memory only: nothing of a person is written to a disk. The
levels are those of `scoring`, told in SQL; `weights.toml` gives the bits. Splink wants m and u, of which only the
quotient counts here. What Splink cannot say (two bounds on the sum of phone and address, see `scoring.bits`) is added
to its answer by `_bounded`. The settings for Splink's Spark backend differ by the names of three functions.

Source: R. Linacre and others, "Splink: free software for probabilistic record linkage at scale", IJPDS 7 (2022).
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from msingi.identity.blocking import Traits, sound
from msingi.identity.errors import LinkageMissing
from msingi.identity.scoring import CONTACT, LEVELS, weights
from msingi.identity.sweep.model import Pair, Record

U_NAME: Final = 1 / 256  # what an average name is taken for; a name's own frequency moves it (`rarity`)
MOST_BEARERS: Final = 200  # a key that more people share says nothing, as in the search at enrolment
SLACK_BITS: Final = 2.0  # Splink weighs names written crosswise, and lines beyond the second, a little otherwise
COLUMNS: Final = (
    "given", "given_sound", "family", "family_sound", "birth", "sex", "phone", "house", "line1", "line1_sound",
    "line2", "line2_sound", "locality", "locality_sound", "postal_code", "region",
)  # fmt: skip
FUNCTIONS: Final = {
    "duckdb": {"likeness": "jaro_winkler_similarity", "edits": "damerau_levenshtein", "begins": "starts_with"},
    "spark": {"likeness": "jaro_winkler", "edits": "damerau_levenshtein", "begins": "startswith"},
}
_TEXT = (
    "CASE WHEN a = '' OR b = '' THEN 0 WHEN a = b THEN 4 "
    "WHEN {likeness}(a, b) >= 0.93 OR ({edits}(a, b) = 1 AND least(length(a), length(b)) >= 3) "
    "OR ({edits}(a, b) = 2 AND least(length(a), length(b)) >= 7) THEN 3 "
    "WHEN {likeness}(a, b) >= 0.84 OR {edits}(a, b) * 3 <= greatest(length(a), length(b)) "
    "OR {begins}(a, b) OR {begins}(b, a) OR sa = sb THEN 2 ELSE 1 END"
)
_CODE = (
    "CASE WHEN a = '' OR b = '' THEN 0 WHEN a = b THEN 4 "
    "WHEN length(a) > 1 AND {edits}(a, b) = 1 THEN 3 ELSE 1 END"
)  # fmt: skip
_BIRTH = (
    "CASE WHEN length(a) < 8 OR length(b) < 8 THEN 0 WHEN a = b THEN 4 "
    "WHEN {edits}(a, b) = 1 OR a = concat(substr(b, 1, 4), substr(b, 7, 2), substr(b, 5, 2)) THEN 3 "
    "WHEN {edits}(a, b) = 2 OR (CASE WHEN substr(a, 1, 4) = substr(b, 1, 4) THEN 1 ELSE 0 END "
    "+ CASE WHEN substr(a, 5, 2) = substr(b, 5, 2) THEN 1 ELSE 0 END "
    "+ CASE WHEN substr(a, 7, 2) = substr(b, 7, 2) THEN 1 ELSE 0 END) = 2 THEN 2 ELSE 1 END"
)
_YEAR = (
    "CASE WHEN length(a) < 4 OR length(b) < 4 OR (length(a) >= 8 AND length(b) >= 8) THEN 0 "
    "WHEN substr(a, 1, 4) = substr(b, 1, 4) THEN 4 "
    "WHEN abs(CAST(substr(a, 1, 4) AS INT) - CAST(substr(b, 1, 4) AS INT)) <= 2 THEN 2 ELSE 1 END"
)
# Names and address lines are compared straight and crossed; `best_*` takes the better way, as `scoring` does.
_HELPERS = {
    "level_text": ("a, b, sa, sb", _TEXT),
    "level_code": ("a, b", _CODE),
    "level_birth": ("a, b", _BIRTH),
    "level_year": ("a, b", _YEAR),
    "level_crossed": (
        "s1, s2, x1, x2",
        "CASE WHEN x1 + x2 > s1 + s2 AND greatest(x1, x2) >= 3 THEN 1 WHEN greatest(s1, s2) >= 3 THEN 4 ELSE 0 END",
    ),
    "level_first": ("a, b, c, d", "greatest(a, b, c, d)"),
    "level_second": (
        "a, b, c, d",
        "CASE WHEN greatest(a, d) >= greatest(b, c) THEN least(a, d) ELSE least(b, c) END",
    ),
    "level_area": ("n, r1, r2", "CASE WHEN n = 0 AND r1 <> '' AND r2 <> '' AND r1 <> r2 THEN 1 ELSE n END"),
}


def prelude(dialect: str = "duckdb") -> list[str]:
    """The statements that make the functions which the settings use, for "duckdb" or "spark" (4.0 or later)."""
    make = {
        "duckdb": "CREATE OR REPLACE MACRO {name}({named}) AS {body}",
        "spark": "CREATE OR REPLACE TEMPORARY FUNCTION {name}({typed}) RETURNS INT RETURN {body}",
    }[dialect]
    made = []
    for name, (arguments, body) in _HELPERS.items():
        numbers = name in ("level_crossed", "level_first", "level_second")
        typed = ", ".join(f"{a} {'INT' if numbers or a == 'n' else 'STRING'}" for a in arguments.split(", "))
        body = body.format(**FUNCTIONS[dialect]) if "{" in body else body
        made.append(make.format(name=name, named=arguments, typed=typed, body=body))
    return made


def _text(one: str, other: str) -> str:
    return f"level_text({one}_l, {other}_r, {one}_sound_l, {other}_sound_r)"


def _levels() -> dict[str, str]:
    """For each field of the weights, the SQL that gives its level."""
    straight, crossed = [_text("given", "given"), _text("family", "family")], [
        _text("given", "family"),
        _text("family", "given"),
    ]  # fmt: skip
    order = f"level_crossed({', '.join(straight)}, {', '.join(crossed)})"
    lines = ", ".join(_text(a, b) for a in ("line1", "line2") for b in ("line1", "line2"))
    near = f"greatest({_text('locality', 'locality')}, level_code(postal_code_l, postal_code_r))"
    return {
        "given": f"CASE WHEN {order} = 1 THEN {crossed[0]} ELSE {straight[0]} END",
        "family": f"CASE WHEN {order} = 1 THEN {crossed[1]} ELSE {straight[1]} END",
        "order": order,
        "birth": "level_birth(birth_l, birth_r)",
        "birth-year": "level_year(birth_l, birth_r)",
        "sex": "CASE WHEN sex_l = '' OR sex_r = '' THEN 0 WHEN sex_l = sex_r THEN 4 ELSE 1 END",
        "phone": "level_code(phone_l, phone_r)",
        "line-1": f"level_first({lines})",
        "line-2": f"level_second({lines})",
        "house": "level_code(house_l, house_r)",
        "area": f"level_area({near}, region_l, region_r)",
    }


def odds(bits: float) -> tuple[float, float]:
    """An m and a u whose quotient weighs `bits`: m / u = 2 ** bits, both within (0, 1)."""
    return (0.9, 0.9 / 2**bits) if bits >= 0 else (0.9 * 2**bits, 0.9)


def _comparison(field: str, level_of: str) -> dict[str, Any]:
    named = field in ("given", "family")
    found: list[dict[str, Any]] = [
        {"sql_condition": f"({level_of}) = 0", "label_for_charts": "missing", "is_null_level": True}
    ]
    for place in (4, 3, 2, 1):
        bits = weights().bits[field][LEVELS[place]]
        m, u = (U_NAME * 2**bits, U_NAME) if named and place >= 3 else odds(bits)
        level: dict[str, Any] = {
            "sql_condition": "ELSE" if place == 1 else f"({level_of}) = {place}",
            "label_for_charts": LEVELS[place],
            "m_probability": m,
            "u_probability": u,
        }
        if named and place >= 3:
            # A slip in a rare name tells no more than in another; a common one tells less, with or without a slip.
            level |= {
                "tf_adjustment_column": field,
                "tf_adjustment_weight": 1.0,
                "disable_tf_exact_match_detection": True,
            }
            level |= {"tf_minimum_u_value": U_NAME if place == 3 else 0.0}
        found.append(level)
    return {"output_column_name": field.replace("-", "_"), "comparison_levels": found}


def settings(dialect: str = "duckdb", people: float = 1_000_000) -> dict[str, Any]:
    """The weights in force as settings of Splink 5, for a register of `people` records."""
    found = _levels()
    return {
        "link_type": "dedupe_only",
        "sql_dialect": dialect,
        "unique_id_column_name": "key",
        "probability_two_random_records_match": 1 / (2 ** weights().threshold(people) + 1),
        "blocking_rules_to_generate_predictions": [
            {
                "blocking_rule": "l.search_keys = r.search_keys",
                "sql_dialect": dialect,
                "arrays_to_explode": ["search_keys"],
            }
        ],
        "comparisons": [_comparison(field, found[field]) for field in weights().bits],
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": True,
    }


def row(record: Record) -> dict[str, Any]:
    """A record as the table that Splink reads has it."""
    t: Traits = record.traits
    lines = (*t.lines, "", "")
    texts = {
        "given": t.given, "family": t.family, "line1": lines[0], "line2": lines[1], "locality": t.locality,
    }  # fmt: skip
    plain = {"birth": t.birth, "sex": t.sex, "phone": t.phone, "house": t.house}
    plain |= {"postal_code": t.postal_code, "region": t.region}
    rarity = {f"tf_{part}": U_NAME / 2 ** record.rarity.get(part, 0.0) for part in ("given", "family")}
    sounds = {f"{name}_sound": sound(text) for name, text in texts.items()}
    return {"key": record.key, "search_keys": list(record.search_keys), **texts, **sounds, **plain, **rarity}


def model(dialect: str, people: float = 1_000_000) -> dict[str, Any]:
    """All that another machine needs to weigh pairs as this one does: the functions to make, the settings of Splink, a
    pair's bits as an expression over Splink's answer, and the bits from which `people` records are alike."""
    return {
        "functions": prelude(dialect),
        "settings": settings(dialect, people),
        "bits": _bounded(),
        "least_bits": round(weights().threshold(people), 2),
    }


def write_table(records: Sequence[Record], path: str) -> None:
    """The records as a Parquet file with the columns that the settings use. It holds names in clear.

    Raises LinkageMissing unless pyarrow is installed (the extra `duplicates`).
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise LinkageMissing() from None
    parquet.write_table(pyarrow.Table.from_pylist([row(record) for record in records]), path)


def compare(records: Sequence[Record], least_bits: float, threads: int = 1) -> list[Pair]:
    """Every pair of records that shares a search key and reaches `least_bits`, the most alike first.

    Raises LinkageMissing unless Splink and DuckDB are installed (the extra `duplicates`).
    """
    try:
        import duckdb
        import pyarrow
        from splink import Linker
        from splink.backends.duckdb import DuckDBAPI
    except ImportError:
        raise LinkageMissing() from None
    if len(records) < 2:
        return []
    db = duckdb.connect(":memory:", config={"threads": threads, "temp_directory": ""})
    try:
        for statement in prelude():
            db.execute(statement)
        api = DuckDBAPI(connection=db)
        rows = pyarrow.Table.from_pylist([row(r) for r in records])
        linker = Linker(api.register(rows), settings(people=len(records)), log_level=logging.ERROR)
        found = linker.inference.predict()
        sums = _bounded()
        answer = db.execute(
            f"SELECT key_l, key_r, bits FROM (SELECT key_l, key_r, {sums} AS bits FROM {found.physical_name}) AS p "
            "WHERE bits >= ? ORDER BY bits DESC, key_l, key_r",
            [least_bits],
        )
        return [Pair(one, other, round(bits, 2)) for one, other, bits in answer.fetchall()]
    finally:
        db.close()


def _bounded() -> str:
    """The bits of a pair in Splink's columns, with the bounds on what tells of a household (`scoring.bits`)."""
    law = weights()
    names = {field: f"mw_{field.replace('-', '_')}" for field in law.bits}
    person = [name for field, name in names.items() if field not in CONTACT]
    person += ["mw_tf_adj_given", "mw_tf_adj_family"]
    contact = " + ".join(name for field, name in names.items() if field in CONTACT)
    within = f"least(greatest({contact}, {law.contact_least_bits}), {law.contact_most_bits})"
    return " + ".join((*person, within))


def keys_worth(bearers: Mapping[int, int]) -> set[int]:
    """The search keys under which records meet: those of at least two, and not of too many to say anything."""
    return {key for key, people in bearers.items() if 2 <= people <= MOST_BEARERS}
