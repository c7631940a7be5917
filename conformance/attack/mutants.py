"""The text, altered: every labelled line of the reference, in every way of a short list.

A sign, a factor, an operand, a transpose, a shift: `mutants` lists them all.  `conformance.attack.attack` shows that
a test fails for each, `conformance.attack.equivalence` that none can.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..text.labels import PACKAGE, Line, labelled, modules

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"


class Mutant(NamedTuple):
    """One alteration of a labelled line: in ``module`` (see `modules`) at ``line``, ``old`` from ``column`` on."""

    label: str
    module: str
    line: int
    column: int
    operator: str
    old: str
    new: str

    @property
    def name(self) -> str:
        """What identifies it, wherever the line stands: label, place in the line, new text."""
        return f"{self.label}@{self.column}: {self.old} -> {self.new}"

    @property
    def text(self) -> str:
        """The module's text, altered."""
        lines = modules()[self.module].splitlines(keepends=True)
        lines[self.line - 1] = _replaced(lines[self.line - 1], self)
        return "".join([*lines, SHIFTED] if self.new.startswith(SHIFT) else lines)

    @property
    def function(self) -> ast.FunctionDef:
        """The innermost function that holds its line."""
        return _around(self.module, self.line)[-1]

    @property
    def owner(self) -> str:
        """The name of the class that holds its line; empty if none does."""
        classes = (node for node in _tree(self.module).body if isinstance(node, ast.ClassDef))
        return next((node.name for node in classes if node.lineno <= self.line <= (node.end_lineno or 0)), "")


SHIFT = "off_by_one"
SHIFTED = f"""

def {SHIFT}(x):
    if hasattr(x, "rad"):  # an enclosure of arrays has no rows of its own
        return type(x)({SHIFT}(x.mid), {SHIFT}(x.rad), x.format)
    return x[range(-1, len(x) - 1)]
"""
"""What a text that shifts the rows of an array needs, for any kind of number."""


# --- The listing ------------------------------------------------------------------------------------------------------


@cache
def mutants() -> tuple[Mutant, ...]:
    """Every mutant of every labelled line, in the order of modules and lines; no two make the same line."""
    return _of_lines(labelled(modules()))


@cache
def mutants_of(label: str) -> tuple[Mutant, ...]:
    """Every mutant of the lines of one label."""
    return _of_lines(line for line in labelled(modules()) if line.label == label)


def _of_lines(lines: Iterable[Line]) -> tuple[Mutant, ...]:
    found: dict[tuple[str, int, str], Mutant] = {}
    for line in lines:
        for mutant in _of_line(line):
            altered = _replaced(line.text, mutant)
            if _code(altered) != _code(line.text):
                found.setdefault((line.module, line.number, _code(altered)), mutant)
    return tuple(found.values())


def rotating(size: int) -> tuple[Mutant, ...]:
    """A part of the mutants, another one whenever the reference's text or a test changes."""
    texts = [path.read_text() for folder in (PACKAGE, TESTS) for path in sorted(folder.rglob("*.py"))]
    key = hashlib.sha256("".join(texts).encode()).hexdigest()
    return tuple(sorted(mutants(), key=lambda m: hashlib.sha256(f"{key}{m.name}".encode()).digest())[:size])


def digests() -> dict[str, str]:
    """For each label a hash of the function that holds its line, and of its mutants."""
    by_label: dict[str, list[Mutant]] = {}
    for mutant in mutants():
        by_label.setdefault(mutant.label, []).append(mutant)
    return {label: _digest(of) for label, of in by_label.items()}


def _digest(of: list[Mutant]) -> str:
    function = of[0].function
    lines = modules()[of[0].module].splitlines()[function.lineno - 1 : function.end_lineno]
    hashed = [*(line.partition("  # ")[0].rstrip() for line in lines), *(mutant.name for mutant in of)]
    return hashlib.sha256("\n".join(hashed).encode()).hexdigest()[:12]


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(modules()[module])


@cache
def _functions(module: str) -> tuple[ast.FunctionDef, ...]:
    return tuple(node for node in ast.walk(_tree(module)) if isinstance(node, ast.FunctionDef))


def _around(module: str, line: int) -> list[ast.FunctionDef]:
    """The functions that hold a line, the innermost last."""
    return [function for function in _functions(module) if function.lineno <= line <= (function.end_lineno or 0)]


def _replaced(line: str, mutant: Mutant) -> str:
    return line[: mutant.column] + mutant.new + line[mutant.column + len(mutant.old) :]


def _code(line: str) -> str:
    """A line of code up to its comment, without redundant space and parentheses as far as it can be parsed alone."""
    code = line.partition("  # (")[0].strip()
    try:
        return ast.unparse(ast.parse(code.removeprefix("return ")))
    except SyntaxError:
        return code


# --- The changes of a line --------------------------------------------------------------------------------------------


class _Line(NamedTuple):
    """A line's text, and the names of single numbers in it."""

    text: str
    scalars: frozenset[str]

    def source(self, node: ast.expr) -> str:
        """An expression's text."""
        return self.text[node.col_offset : node.end_col_offset]

    def atom(self, node: ast.expr) -> str:
        """Its text as an operand."""
        bare = isinstance(node, ast.Name | ast.Attribute | ast.Call | ast.Constant | ast.Subscript)
        return self.source(node) if bare else f"({self.source(node)})"

    def transposed(self, node: ast.expr) -> str:
        """Its transpose's text."""
        match node:
            case ast.Attribute(value=value, attr="T"):
                return self.source(value)
        return f"{self.atom(node)}.T"

    def is_shape(self, node: ast.expr) -> bool:
        """Whether it is a number of rows or columns."""
        return isinstance(node, ast.Name) and node.id in self.scalars & {"n", "m"}


def _of_line(labelled: Line) -> Iterator[Mutant]:
    label, module, number, text = labelled
    line = _Line(text, _scalars(labelled))
    operations = (ast.BinOp, ast.UnaryOp, ast.Call, ast.IfExp) if _is_matrix(labelled) else ()
    for root in _roots(_tree(module), number):
        source = line.source(root)
        if isinstance(root, operations) and _name(root) not in RECORDS:
            yield Mutant(label, module, number, root.col_offset, "transpose", source, f"({source}).T")
        for node, operator, new in _changes(line, root, True):
            yield Mutant(label, module, number, node.col_offset, operator, line.source(node), new)


def _roots(tree: ast.AST, line: int) -> Iterator[ast.expr]:
    """The largest expressions that lie wholly on a line, but for targets of an assignment and what is called."""
    called = tree.func if isinstance(tree, ast.Call) else None
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.expr) and node.lineno == node.end_lineno == line:
            if node is not called and not isinstance(getattr(node, "ctx", None), ast.Store):
                yield node
        elif getattr(node, "lineno", line) <= line <= (getattr(node, "end_lineno", None) or line):
            yield from _roots(node, line)


LOCAL_SCALARS: Mapping[str, str] = {"R": "N", "U": "rate by_g by_m ratio norm", "I": "r s", "T": "e pi"}
"""Names of single numbers that no annotation says to be one, by the letter of the label; every other is an array."""


def _scalars(line: Line) -> frozenset[str]:
    annotated = {
        argument.arg
        for function in _around(line.module, line.number)
        for argument in function.args.args
        if argument.annotation is not None and ast.unparse(argument.annotation) in ("int", "float")
    }
    return frozenset(annotated | set(LOCAL_SCALARS.get(line.label[0], "").split()))


def _is_matrix(line: Line) -> bool:
    """Whether what the line makes has two dimensions."""
    around = _around(line.module, line.number)
    returned = {ast.unparse(function.returns) for function in around if function.returns is not None}
    vectors = ("R1", "B4", "U2", "U22")
    return line.label[0] not in "LI" and line.label not in vectors and not returned & {"float", "Schedule"}


# --- The changes of an expression -------------------------------------------------------------------------------------

Change = tuple[ast.expr, str, str]
"""An expression, the operator, and what takes its place."""

COMMUTATIVE = {"min", "max"}
"""Calls whose operands may be swapped."""
SYMMETRIC = {"uniform", "standard_normal"}
"""Draws that are the same with their sign changed."""
EVEN = {"cos"}
"""Calls that are the same with their argument's sign changed."""
WRAPPERS = {"float"}
"""Calls whose result has the sign and size of their argument."""
RECORDS = {"Step", "append", "zeros"}
"""Calls whose result has no sign and no size."""

OPERATIONS: Mapping[type[ast.operator], tuple[tuple[str, str], ...]] = {
    ast.Add: (("sign", "({p} - {q})"), ("drop", "{p}"), ("drop", "{q}")),
    ast.Sub: (("sign", "({p} + {q})"), ("swap", "({q} - {p})"), ("drop", "(-{q})"), ("drop", "{p}")),
    ast.Mult: (("drop", "{p}"), ("drop", "{q}")),
    ast.Div: (("swap", "({q} / {p})"), ("drop", "(1 / {q})"), ("drop", "{p}")),
    ast.FloorDiv: (("swap", "({q} // {p})"), ("drop", "{p}")),
    ast.MatMult: (
        ("swap", "({q} @ {p})"), ("transpose", "({p_T} @ {q})"), ("transpose", "({p} @ {q_T})"),
        ("drop", "{p}"), ("drop", "{q}"),
    ),
    ast.Pow: (("swap", "({q} ** {p})"), ("drop", "{p}")),
}
"""What takes the place of an operation on ``p`` and ``q``; ``_T`` is a transpose."""


def _changes(line: _Line, node: ast.expr, term: bool) -> Iterator[Change]:
    """All changes of an expression.

    A ``term`` is what may be negated or doubled and is then something new: a whole, a summand, an argument, a branch;
    not a factor, whose sign and size are those of the product.
    """
    if line.is_shape(node):
        return
    if term:
        yield from _as_a_term(line, node)
    match node:
        case ast.Tuple(elts=parts):
            for part in parts:
                yield from _changes(line, part, True)
        case ast.Lambda(body=body):
            yield from _changes(line, body, True)
        case ast.IfExp():
            yield from _of_choice(line, node)
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            yield from _of_comparison(line, node, left, op, right)
        case ast.BinOp():
            yield from _of_operation(line, node)
        case ast.UnaryOp():
            yield from _of_sign(line, node)
        case ast.Call():
            yield from _of_call(line, node)
        case ast.Attribute(value=value, attr="T"):
            yield from _changes(line, value, False)
        case _:
            yield from _of_atom(line, node)


def _as_a_term(line: _Line, node: ast.expr) -> Iterator[Change]:
    """Negated, unless its own changes do that, and doubled."""
    sized = not isinstance(node, ast.Constant | ast.Tuple | ast.Lambda | ast.Compare | ast.IfExp | ast.Starred)
    if not sized or _name(node) in RECORDS | WRAPPERS:
        return
    signed = isinstance(node, ast.UnaryOp) or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub))
    if not signed and not any(_name(part) in SYMMETRIC for part in ast.walk(node)):
        yield node, "sign", f"(-{line.atom(node)})"
    yield node, "double", f"(2 * {line.atom(node)})"


def _of_choice(line: _Line, node: ast.IfExp) -> Iterator[Change]:
    test, body, orelse = node.test, node.body, node.orelse
    yield node, "swap", f"({line.source(orelse)} if {line.source(test)} else {line.source(body)})"
    for part in (*([test] if isinstance(test, ast.Compare) else []), body, orelse):
        yield from _changes(line, part, True)


def _of_comparison(line: _Line, node: ast.expr, left: ast.expr, op: ast.cmpop, right: ast.expr) -> Iterator[Change]:
    p, q = line.source(left), line.source(right)
    if not isinstance(op, ast.Eq):
        sign = line.source(node)[len(p) : -len(q)].strip(" ()")
        yield node, "swap", f"({q} {sign} {p})"
    # Against 0 a size says nothing, and a sign what the swap says.
    against_zero = _is_zero(left) or _is_zero(right)
    yield from _changes(line, left, not against_zero)
    yield from _changes(line, right, not against_zero)


def _of_operation(line: _Line, node: ast.BinOp) -> Iterator[Change]:
    left, op, right = node.left, node.op, node.right
    p, q, p_T, q_T = line.atom(left), line.atom(right), line.transposed(left), line.transposed(right)
    for operator, new in OPERATIONS[type(op)]:
        yield node, operator, new.format(p=p, q=q, p_T=p_T, q_T=q_T)
    # Sign and size of a summand: the right one's are enough, and its sign is the operator's.
    yield from _changes(line, left, False)
    yield from _but(_changes(line, right, isinstance(op, ast.Add | ast.Sub)), right, "sign")


def _of_sign(line: _Line, node: ast.UnaryOp) -> Iterator[Change]:
    operand = line.atom(node.operand)
    yield node, "sign", f"(-{operand})" if isinstance(node.op, ast.UAdd) else operand
    if not isinstance(node.operand, ast.Constant) or isinstance(node.op, ast.USub):
        yield from _changes(line, node.operand, False)


def _of_call(line: _Line, node: ast.Call) -> Iterator[Change]:
    name = _name(node)
    if name not in COMMUTATIVE:
        yield from _swaps(line, node)
    for keyword in node.keywords:
        match keyword:
            case ast.keyword(arg="axis", value=ast.Constant(value=int(axis)) as value):
                yield value, "axis", str(1 - axis)
    if isinstance(node.func, ast.Attribute):
        of = _changes(line, node.func.value, False)
        # A shift along the axis of a sum changes its order and nothing else.
        yield from _but(of, node.func.value, "shift") if name == "sum" else of
    for part in node.args:
        of = _changes(line, part, name not in WRAPPERS)
        yield from _but(of, part, "sign") if name in EVEN else of


def _swaps(line: _Line, call: ast.Call) -> Iterator[Change]:
    """A call with two neighbouring arguments swapped."""
    for p, q in zip(call.args, call.args[1:], strict=False):
        if not any(isinstance(part, ast.Starred | ast.Compare | ast.Tuple) or line.is_shape(part) for part in (p, q)):
            given = [line.source(q if a is p else p if a is q else a) for a in call.args]
            given += [f"{k.arg}={line.source(k.value)}" for k in call.keywords]
            yield call, "swap", f"{line.source(call.func)}({', '.join(given)})"


def _of_atom(line: _Line, node: ast.expr) -> Iterator[Change]:
    match node:
        case ast.Attribute(value=ast.Name(id="self")):
            yield node, "shift", f"({line.source(node)} + 1)"
        case ast.Subscript(slice=ast.Constant(value=int(index))):
            yield node, "axis", f"{line.source(node.value)}[{1 - index}]"
        case ast.Name(id=name) if name in line.scalars:
            yield node, "shift", f"({name} + 1)"
        case ast.Name(id=name) if name not in ("self", "rng", "np", "sigma", "steps"):
            yield node, "shift", f"{SHIFT}({name})"
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            yield node, "constant", str(number + 1)


def _but(changes: Iterator[Change], node: ast.expr, operator: str) -> Iterator[Change]:
    """The changes without one of the whole of an expression."""
    return (change for change in changes if not (change[0] is node and change[1] == operator))


def _name(node: ast.AST) -> str:
    """The name by which a call calls, its last part."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0
