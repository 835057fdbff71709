"""The laws of reconciling as pure functions: a statement's balances, and the comparison."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import timedelta

from msingi.kernel.errors import Malformed
from msingi.payments.reconciling.model import Booked, How, Line, Match, Open, Result, Statement, Why

SLACK = timedelta(days=3)  # a bank books on its own working days


def check(statement: Statement) -> None:
    """Raises Malformed unless the lines lead from the opening to the closing balance (law 5)."""
    if statement.opening_minor is None or statement.closing_minor is None:
        return
    moved = sum(line.amount_minor for line in statement.lines)
    if statement.opening_minor + moved != statement.closing_minor:
        raise Malformed(
            "The lines do not lead from the opening to the closing balance.", field="Bal", rule="opening+lines=closing"
        )


def compare(lines: Sequence[Line], entries: Sequence[Booked]) -> Result:
    """Match lines with entries: by reference, then by end-to-end id, then by amount and date (laws 1 to 4)."""
    left, books = sorted(lines), sorted(entries)
    matches: list[Match] = []
    told: list[Open] = []
    left, books = _by_name(left, books, How.REFERENCE, _reference, lambda b: b.transfer, matches, told)
    left, books = _by_name(left, books, How.END_TO_END, lambda n: n.end_to_end, lambda b: b.end_to_end, matches, told)
    left, books = _by_amount(left, books, matches, told)
    told += [Open(Why.NOT_IN_LEDGER, line=line) for line in left]
    told += [Open(Why.NOT_IN_STATEMENT, booked=booked) for booked in books]
    return Result(tuple(matches), tuple(told))


def _reference(line: Line) -> str:
    """A line's reference as the ledger writes it: hex digits without dashes."""
    return line.reference.replace("-", "").lower()


def _by_name(
    lines: list[Line],
    books: list[Booked],
    how: How,
    name_of: Callable[[Line], str],
    name_in_books: Callable[[Booked], str],
    matches: list[Match],
    told: list[Open],
) -> tuple[list[Line], list[Booked]]:
    """Match by a name that both tell. Several of one name are matched by their amounts; one of each with another amount
    is an exception (law 3)."""
    ours: dict[str, list[Booked]] = defaultdict(list)
    theirs: dict[str, list[Line]] = defaultdict(list)
    for booked in books:
        if name_in_books(booked):
            ours[name_in_books(booked)].append(booked)
    for line in lines:
        if name_of(line) in ours:
            theirs[name_of(line)].append(line)
    rest_lines = [line for line in lines if name_of(line) not in ours]
    rest_books = [booked for booked in books if name_in_books(booked) not in theirs]
    for name in sorted(theirs):
        said, known = theirs[name], ours[name]
        for line in list(said):
            same = next((one for one in known if one.amount_minor == line.amount_minor), None)
            if same is not None:
                matches.append(Match(line, same, how))
                said.remove(line)
                known.remove(same)
        while said and known:
            told.append(Open(Why.OTHER_AMOUNT, said.pop(0), known.pop(0)))
        rest_lines += said
        rest_books += known
    return sorted(rest_lines), sorted(rest_books)


def _by_amount(
    lines: list[Line], books: list[Booked], matches: list[Match], told: list[Open]
) -> tuple[list[Line], list[Booked]]:
    """Match what is left where one line and one entry of an amount lie within days of each other, and nothing else of
    that amount does; where several do, an official decides."""
    ours: dict[int, list[Booked]] = defaultdict(list)
    theirs: dict[int, list[Line]] = defaultdict(list)
    for booked in books:
        ours[booked.amount_minor].append(booked)
    for line in lines:
        theirs[line.amount_minor].append(line)
    rest_lines: list[Line] = []
    rest_books = [booked for amount, some in ours.items() if amount not in theirs for booked in some]
    for amount in sorted(theirs):
        said, known = theirs[amount], ours.get(amount, [])
        near = [(n, [m for m, b in enumerate(known) if abs(b.on - line.on) <= SLACK]) for n, line in enumerate(said)]
        wanted: dict[int, int] = defaultdict(int)
        for _, places in near:
            for place in places:
                wanted[place] += 1
        taken: set[int] = set()
        for n, places in near:
            if not places:
                rest_lines.append(said[n])
            elif len(places) == 1 and wanted[places[0]] == 1:
                matches.append(Match(said[n], known[places[0]], How.AMOUNT_AND_DATE))
                taken.add(places[0])
            else:
                told.append(Open(Why.AMBIGUOUS, line=said[n]))
        rest_books += [booked for place, booked in enumerate(known) if place not in taken]
    return sorted(rest_lines), sorted(rest_books)
