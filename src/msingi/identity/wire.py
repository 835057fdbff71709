"""Outside shapes: CSV files whose columns are named by anybody, read through a mapping (TOML).

    row_key = "rec_id"                      which column tells the rows apart, for resuming
    delimiter = ","                         one character; default a comma
    ignore = ["soc_sec_id"]                 columns that are not read
    [fields]
    "name.given" = "given_name"             a column
    "address.lines" = ["{no} {street}"]     texts made of columns
    birth = { column = "dob", format = "%d/%m/%Y" }
    region = { column = "state", values = { nsw = "R01" }, otherwise = "" }

Every column of the file is either mapped or ignored, so that a renamed column is noticed and not lost.
"""

import csv
import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final, TextIO

import msgspec

from msingi.identity.errors import MappingWrong
from msingi.identity.model import EnrolmentOrder, Row, Sex
from msingi.kernel.errors import Malformed

_PLACE = re.compile(r"\{([^{}]+)\}")
_SEXES: Final = {
    "f": Sex.FEMALE, "female": Sex.FEMALE, "2": Sex.FEMALE,
    "m": Sex.MALE, "male": Sex.MALE, "1": Sex.MALE,
    "o": Sex.OTHER, "other": Sex.OTHER, "x": Sex.OTHER, "3": Sex.OTHER,
}  # fmt: skip
FIELDS: Final = frozenset(
    ("name.given", "name.family", "birth", "sex", "region", "address.lines", "address.locality",
     "address.postal_code", "phone", "language", "guardian", "introducer")
)  # fmt: skip


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a field comes from: a column, with the format of its dates, or the code for each of its values."""

    column: str
    format: str = ""
    values: dict[str, str] = {}
    otherwise: str | None = None


class ColumnMapping(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column mapping; see the head of this file."""

    row_key: str
    fields: dict[str, str | list[str] | Source]
    delimiter: str = ","
    ignore: list[str] = []

    def columns(self) -> set[str]:
        """All columns that the mapping reads."""
        return {self.row_key}.union(*(_columns(source) for source in self.fields.values()))


def _columns(source: str | list[str] | Source) -> set[str]:
    if isinstance(source, list):
        return {column for template in source for column in _PLACE.findall(template)}
    return {source if isinstance(source, str) else source.column}


def mapping(text: str) -> ColumnMapping:
    """The mapping in `text`. Raises MappingWrong, naming the entry."""
    try:
        found = msgspec.convert(tomllib.loads(text), ColumnMapping)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as wrong:
        raise MappingWrong(str(wrong), field="mapping", rule="toml-mapping") from None
    for field in found.fields:
        if field not in FIELDS:
            raise MappingWrong(f"Known fields: {', '.join(sorted(FIELDS))}.", field=field, rule="known-field")
    if not {"name.given", "name.family"} & set(found.fields):
        raise MappingWrong("A column for a name is needed.", field="name", rule="one-name")
    if len(found.delimiter) != 1:
        raise MappingWrong("One character.", field="delimiter", rule="one-character")
    return found


def read_csv(file: TextIO, columns: ColumnMapping) -> Iterator[Row]:
    """The rows of a CSV file with a header line, as orders; a row that cannot be read carries its fault.

    Raises MappingWrong, before the first row, if the header and the mapping do not fit each other.
    """
    reader = csv.DictReader(file, delimiter=columns.delimiter, restkey="", restval="")
    header = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = header
    return rows(reader, header, columns)


def rows(source: Iterable[dict[str, Any]], header: list[str], columns: ColumnMapping) -> Iterator[Row]:
    """As `read_csv`, from rows that are dictionaries already."""
    known = columns.columns()
    for name in sorted(known - set(header)):
        raise MappingWrong("The file has no such column.", field=name, rule="column-in-file")
    for name in header:
        if name not in known and name not in columns.ignore:
            raise MappingWrong("Map this column, or list it under ignore.", field=name, rule="mapped-or-ignored")
    return _each(source, columns)


def _each(source: Iterable[dict[str, Any]], columns: ColumnMapping) -> Iterator[Row]:
    for place, raw in enumerate(source, 1):
        cells = {name: " ".join(str(cell).split()) for name, cell in raw.items()}
        key = cells.get(columns.row_key, "")
        try:
            if not key:
                raise Malformed(f"Row {place} has no key.", field=columns.row_key, rule="row-key")
            yield Row(key, order=_order(cells, columns))
        except Malformed as fault:
            yield Row(key or f"row-{place}", fault=fault)


def _order(cells: dict[str, str], columns: ColumnMapping) -> EnrolmentOrder:
    wanted: dict[str, Any] = {}
    for field, source in columns.fields.items():
        value = _value(field, cells, source)
        head, _, tail = field.partition(".")
        if tail:
            wanted.setdefault(head, {})[tail] = value
        else:
            wanted[head] = value
    return msgspec.convert(wanted, EnrolmentOrder)


def _value(field: str, cells: dict[str, str], source: str | list[str] | Source) -> Any:
    if isinstance(source, list):
        return [" ".join(_PLACE.sub(lambda at: cells[at[1]], template).split()) for template in source]
    text = cells[source if isinstance(source, str) else source.column]
    if field == "birth":
        return _birth(text, source.format if isinstance(source, Source) else "%Y-%m-%d")
    if field == "address.lines":
        return [text]
    if isinstance(source, Source) and source.values:
        coded = source.values.get(text, source.otherwise)
        if coded is None and text:
            raise Malformed("The mapping lists no code for this value.", field=source.column, rule="listed-value")
        text = coded or ""
    if field == "sex":
        return _SEXES.get(text.casefold(), Sex.UNKNOWN)
    return text


def _birth(text: str, form: str) -> dict[str, Any]:
    """A date in the file's own form; what is no calendar date is kept as reported, because nobody is turned away
    for it, and because the duplicate search can still use its digits."""
    try:
        return {"date": datetime.strptime(text, form).date().isoformat()} if text else {}
    except ValueError:
        return {"reported": text[:40]}
