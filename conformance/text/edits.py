"""Edits of the reference's text: another expression at a labelled line, or in place of what a function returns.

An edit names its place, not the words that stand there, so that it fits however these are written.  `planted` imports
a copy of the package with edits made; every other copy of an altered text is `copied` or `loaded` here too.
"""

import ast
import importlib.util
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from itertools import accumulate, count
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, cast

from .labels import PACKAGE, Line, labelled, modules


class Edit(NamedTuple):
    """Another expression at a place of the text.

    ``place`` is a label or the name of a function, such as ``fused`` or ``Sigmoid.apply``.  The expression takes the
    place of what the labelled line returns, assigns or hands on as an argument, or of what the function returns.  It
    may use the names that are known there, NumPy as ``np``, the functions of `reference.functions`, and what
    ``imports``, an import statement, brings.
    """

    place: str
    expression: str
    imports: str = ""


# --- Copies -----------------------------------------------------------------------------------------------------------


def copied(folder: Path, texts: Mapping[str, str]) -> Path:
    """A copy of the package in a folder that is not there yet, with other texts for some modules, by dotted name."""
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for module, text in texts.items():
        folder.joinpath(*module.split(".")).with_suffix(".py").write_text(text)
    return folder


def loaded(texts: Mapping[str, str]) -> ModuleType:
    """Such a copy, imported under a name of its own; no file is left."""
    name = f"reference_altered_{next(_copies)}"
    with tempfile.TemporaryDirectory(prefix="altered-") as folder:
        copy = copied(Path(folder) / name, texts)
        spec = importlib.util.spec_from_file_location(
            name, copy / "__init__.py", submodule_search_locations=[str(copy)]
        )
        assert spec is not None  # the file is there
        assert spec.loader is not None
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        finally:
            for part in [n for n in sys.modules if n.partition(".")[0] == name]:
                del sys.modules[part]
    return module


_copies = count()


def planted(*edits: Edit) -> ModuleType:
    """A copy of the reference with the edits made, imported under a name of its own; raises like `altered`."""
    return loaded(altered(*edits))


def alone(module: str, *edits: Edit) -> ModuleType:
    """One module of the reference with the edits made, in memory, which uses the other modules as they are.

    Raises
    ------
    ValueError
        As `altered`, or if an edit stands in another module.
    """
    texts = {module: modules()[module], **altered(*edits)}
    if len(texts) > 1:
        raise ValueError(f"edits: expected places in {module}, got {', '.join(sorted(texts))}")
    made = ModuleType(f"{PACKAGE.name}.{module}")
    made.__package__ = made.__name__.rpartition(".")[0]
    exec(compile(texts[module], f"{made.__name__}, altered", "exec"), vars(made))
    return made


# --- Texts ------------------------------------------------------------------------------------------------------------


def altered(*edits: Edit) -> dict[str, str]:
    """The texts of the modules that edits change, by dotted name.

    Raises
    ------
    ValueError
        If a place is none, or is edited twice, or what is to stand there is no expression.
    """
    changes: dict[str, list[tuple[ast.expr, Edit]]] = {}
    for edit in edits:
        found = standing(edit.place)
        changes.setdefault(found.module, []).append((found.expression, edit))
    return {module: _changed(module, of) for module, of in changes.items()}


def _changed(module: str, changes: list[tuple[ast.expr, Edit]]) -> str:
    text = modules()[module].encode()  # the columns of a syntax tree count bytes
    lines = [0, *accumulate(len(line) for line in text.splitlines(keepends=True))]
    before = len(text)
    for old, edit in sorted(changes, key=lambda change: (change[0].lineno, change[0].col_offset), reverse=True):
        first = lines[old.lineno - 1] + old.col_offset
        last = lines[cast(int, old.end_lineno) - 1] + cast(int, old.end_col_offset)
        if last > before:
            raise ValueError(f"edits: expected one edit at each place, got another that holds {edit.place}")
        text = text[:first] + _parenthesised(edit).encode() + text[last:]
        before = first
    _, *statements = ast.parse(modules()[module]).body  # after the docstring; the module's own names come later and win
    head = lines[statements[0].lineno - 1]
    dots = "." * (module.count(".") + 1)
    imports = ["import numpy as np", f"from {dots}functions import *", *(edit.imports for _, edit in changes)]
    return (text[:head] + "\n".join([*imports, ""]).encode() + text[head:]).decode()


def _parenthesised(edit: Edit) -> str:
    try:
        return f"({ast.unparse(ast.parse(edit.expression.strip(), mode='eval'))})"
    except SyntaxError as error:
        raise ValueError(f"edits: expected an expression for {edit.place}, got {edit.expression!r}") from error


# --- Places -----------------------------------------------------------------------------------------------------------


class Standing(NamedTuple):
    """What stands at a place: the module, by its dotted name, and the expression in its syntax tree."""

    module: str
    expression: ast.expr


def standing(place: str) -> Standing:
    """What stands at a label, or what the function of that name returns.

    Raises
    ------
    ValueError
        If there is no such place, or no single expression at it.
    """
    for line in labelled(modules()):
        if line.label == place:
            return Standing(line.module, _of_line(line))
    found = [
        (module, function)
        for module, text in modules().items()
        for name, function in _functions(ast.parse(text))
        if name == place
    ]
    if not found:
        raise ValueError(f"edits: expected a label of EQUATIONS.md or a function of the reference, got {place!r}")
    if len(found) > 1:
        homes = ", ".join(module for module, _ in found)
        raise ValueError(f"edits: expected the name of one function, got {place!r}, which stands in {homes}")
    ((module, function),) = found
    returned = [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value]
    if len(returned) != 1:
        raise ValueError(f"edits: expected a function that returns at one place, got {place!r}, at {len(returned)}")
    return Standing(module, returned[0])


def _of_line(line: Line) -> ast.expr:
    """The largest expression handed on that holds the line and no other labelled one."""
    text = modules()[line.module]
    others = [other.number for other in labelled({line.module: text}) if other.number != line.number]
    for node in ast.walk(ast.parse(text)):  # the larger before those within
        for value in _values(node):
            lines = range(value.lineno, cast(int, value.end_lineno) + 1)
            if line.number in lines and not any(other in lines for other in others):
                return value
    raise ValueError(f"edits: expected an expression on the line of ({line.label}), got {line.text.strip()!r}")


def _values(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions that a node returns, assigns, or hands on."""
    match node:
        case ast.Return(value=ast.expr() as value) | ast.AnnAssign(value=ast.expr() as value):
            found = [value]
        case ast.Assign(value=value) | ast.AugAssign(value=value) | ast.Lambda(body=value):
            found = [value]
        case ast.ListComp(elt=value) | ast.GeneratorExp(elt=value):
            found = [value]
        case ast.Call(args=args, keywords=keywords):
            found = [*args, *(keyword.value for keyword in keywords)]
        case ast.Tuple(elts=parts, ctx=ast.Load()) | ast.List(elts=parts, ctx=ast.Load()):
            found = parts
        case _:
            return
    yield from (value for value in found if not isinstance(value, ast.Lambda | ast.Starred))


def _functions(node: ast.Module | ast.ClassDef, within: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """The functions of a module or class by their names, with the class's before a dot."""
    for part in node.body:
        if isinstance(part, ast.FunctionDef):
            yield f"{within}{part.name}", part
        elif isinstance(part, ast.ClassDef):
            yield from _functions(part, f"{within}{part.name}.")
