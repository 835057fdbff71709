"""The mutation gate: `python -m tools.mutate [FILE...]`: small faults are put into a file, and its tests must notice.

A mutant is one change: a comparison, an operator, a number, a negation, a returned value. The parent imports the file
and those of its tests that need no fixture once; for each mutant it forks, and the child puts the changed code into
the functions where they stand, so that whoever imported them has it too, and calls the tests until the first fails.
A mutant that no test notices survives: either a test is missing, or the change makes no difference. A mutant that
hangs counts as noticed: it gets LONGER times the processor time that the tests need without a fault, whatever else the
machine does. The quickest tests come first, because most faults are noticed by them; so a file takes minutes.

Why an own one, in two hundred lines: mutmut 3 and cosmic-ray copy the tree and start pytest anew for every mutant, two
seconds each with this package's imports; mutatest is no longer kept. A fork takes some milliseconds.
"""

import ast
import contextlib
import copy
import functools
import importlib
import inspect
import io
import os
import signal
import sys
import time
import types
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import Phase, settings

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
LONGER = 5.0  # times what the tests take: then a mutant hangs
LEAST_S = 1.0
# The file, its tests, and the share of mutants that must be noticed.
GATES: dict[str, tuple[tuple[str, ...], int]] = {
    "msingi/kernel/log/merkle.py": (("tests/kernel_log/test_merkle.py",), 95),
    "msingi/kernel/log/note.py": (("tests/kernel_log/test_note.py",), 80),
    "msingi/kernel/money.py": (("tests/kernel/test_parts.py", "tests/kernel/test_money.py"), 80),
    "msingi/payments/rules.py": (("tests/payments/test_rules_exact.py",), 80),
    "msingi/payments/rates/rules.py": (("tests/payments_rates/test_rules.py",), 0),
    "msingi/payments/switch/rules.py": (("tests/payments_switch/test_rules.py",), 0),
    "msingi/consent/rules.py": (("tests/consent/test_rules.py",), 0),
    "msingi/exchange/rules.py": (("tests/exchange/test_rules.py",), 0),
    "msingi/portal/rules.py": (("tests/portal/test_rules.py",), 0),
    "msingi/channels/rules.py": (("tests/channels/test_rules.py",), 0),
}
Timed = tuple[float, Callable[[], object]]
COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
OPERATE: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult, ast.Mod: ast.Add,
    ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd, ast.Pow: ast.Mult,
}  # fmt: skip


def changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The mutants of one node, each with what was done."""
    if isinstance(node, ast.Compare):
        for n, op in enumerate(node.ops):
            if type(op) in COMPARE:
                made = copy.deepcopy(node)
                made.ops[n] = COMPARE[type(op)]()
                yield f"{type(op).__name__} -> {type(made.ops[n]).__name__}", made
    elif isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in OPERATE:
        made = copy.deepcopy(node)
        made.op = OPERATE[type(node.op)]()
        yield f"{type(node.op).__name__} -> {type(made.op).__name__}", made
    elif isinstance(node, ast.BoolOp):
        made = copy.deepcopy(node)
        made.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "and <-> or", made
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "not removed", copy.deepcopy(node.operand)
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield f"{node.value} -> {node.value + 1}", ast.Constant(node.value + 1)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield f"{node.value} -> {not node.value}", ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and type(node.value) is bytes:
        yield "bytes changed", ast.Constant(node.value + b"!")
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield "returns None", ast.Return(ast.Constant(None))
    elif isinstance(node, ast.If | ast.While):
        made = copy.deepcopy(node)
        made.test = ast.UnaryOp(ast.Not(), made.test)
        yield "condition turned round", made
    elif isinstance(node, ast.Raise):
        yield "raise removed", ast.Pass()
    elif isinstance(node, ast.Break | ast.Continue):
        yield "break <-> continue", ast.Continue() if isinstance(node, ast.Break) else ast.Break()


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


class _Swap(ast.NodeTransformer):
    def __init__(self, wanted: ast.AST, made: ast.AST) -> None:
        self.wanted, self.made = wanted, made

    def visit(self, node: ast.AST) -> ast.AST:
        """Replace the one node."""
        return ast.copy_location(self.made, node) if node is self.wanted else self.generic_visit(node)


def mutants(tree: ast.Module) -> Iterator[tuple[int, str, ast.Module]]:
    """All mutants of the functions of a module: line, what was done, the changed module."""
    for function in [f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef | ast.AsyncFunctionDef)]:
        for statement in function.body:
            for node in ast.walk(statement):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    break  # it comes by itself
                for what, made in changes(node):
                    line = getattr(node, "lineno", function.lineno)
                    yield line, f"{function.name}: {what}", _changed(tree, node, made)


def _changed(tree: ast.Module, node: ast.AST, made: ast.AST) -> ast.Module:
    """A copy of the tree with one node replaced; nodes are found again by their place in the walk."""
    place = next(n for n, one in enumerate(ast.walk(tree)) if one is node)
    twin = copy.deepcopy(tree)
    other = next(one for n, one in enumerate(ast.walk(twin)) if n == place)
    _Swap(other, made).visit(twin)
    return ast.fix_missing_locations(twin)


def _codes(code: types.CodeType, path: str = "") -> Iterator[tuple[str, types.CodeType]]:
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield f"{path}{one.co_name}", one
            yield from _codes(one, f"{path}{one.co_name}.")


def _functions(module: types.ModuleType) -> dict[str, types.FunctionType]:
    """The functions and methods that a module defines, by their qualified names."""
    found: dict[str, types.FunctionType] = {}
    for name, value in vars(module).items():
        if isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
            found[name] = value
        elif isinstance(value, type) and value.__module__ == module.__name__:
            for inner, attribute in vars(value).items():
                plain = attribute.fget if isinstance(attribute, property) else getattr(attribute, "__func__", attribute)
                if isinstance(plain, types.FunctionType):
                    found[f"{name}.{inner}"] = plain
    return found


def put(module: types.ModuleType, changed: ast.Module, file: Path) -> None:
    """Give the module's functions the code of the changed module; names that others imported are the same objects."""
    codes = dict(_codes(compile(changed, str(file), "exec")))
    for name, function in _functions(module).items():
        inner = getattr(function, "__wrapped__", function)
        if name in codes and codes[name].co_freevars == inner.__code__.co_freevars:
            inner.__code__ = codes[name]


class _Collected:
    """A plugin that keeps what pytest collects."""

    def __init__(self) -> None:
        self.items: list[pytest.Item] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Called by pytest once all tests are found."""
        self.items = list(items)


def plain_tests(files: tuple[str, ...]) -> list[Timed]:
    """The tests of these files that need no fixture and pass, which look at pure functions: as plain calls with the
    processor time that each takes, the quickest first."""
    seen = _Collected()
    there = [file for file in files if (ROOT / file).exists()]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        pytest.main(["-q", "--collect-only", "--noconftest", "-p", "no:cacheprovider", *there], plugins=[seen])
    found: list[Timed] = []
    for item in seen.items:
        if not isinstance(item, pytest.Function) or item.cls is not None or inspect.iscoroutinefunction(item.obj):
            continue
        given = dict(item.callspec.params) if hasattr(item, "callspec") else {}
        if set(inspect.signature(item.obj).parameters) <= given.keys():
            test = functools.partial(item.obj, **given)
            with contextlib.suppress(Exception, pytest.skip.Exception):
                test()  # the first time it also compiles and imports
                began = time.process_time()
                test()
                found.append((time.process_time() - began, test))
    found.sort(key=lambda pair: pair[0])
    return found


def notices(module: types.ModuleType, changed: ast.Module, file: Path, tests: Sequence[Timed], most_s: float) -> bool:
    """Whether some test fails with this mutant, or takes more than `most_s` of processor time."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, most_s)
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            put(module, changed, file)
            for _, test in tests:
                test()
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    return not (os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0)


def gate(name: str) -> bool:
    """Try all mutants of a file; print the score and the survivors; whether the score is reached."""
    files, wanted = GATES[name]
    file = SRC / name
    module = importlib.import_module(name.removesuffix(".py").replace("/", "."))
    settings.register_profile(
        "mutate",
        max_examples=60,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
    )
    settings.load_profile("mutate")
    tests = plain_tests(files)
    most_s = max(LEAST_S, LONGER * sum(took for took, _ in tests))
    began, survivors, count = time.perf_counter(), [], 0
    for line, what, changed in mutants(ast.parse(file.read_text("utf-8"))):
        count += 1
        if not notices(module, changed, file, tests, most_s):
            survivors.append(f"  line {line}: {what}")
    score = 100 * (count - len(survivors)) / count if count else 0.0
    took = time.perf_counter() - began
    goal = f"goal {wanted} %: {'reached' if score >= wanted else 'MISSED'}" if wanted else "no goal yet"
    print(f"{name}: {score:.1f} % of {count} mutants noticed by {len(tests)} tests in {took:.0f} s; {goal}", flush=True)
    print("\n".join(survivors), flush=True)
    return bool(tests) and score >= wanted


def main() -> int:
    """The gates named on the command line, or all."""
    chosen = [name for name in GATES if not sys.argv[1:] or any(word in name for word in sys.argv[1:])]
    return 0 if all([gate(name) for name in chosen]) else 1


if __name__ == "__main__":
    sys.exit(main())
