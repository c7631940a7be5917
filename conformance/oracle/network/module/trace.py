"""A module's forward pass, written down: each call of PyTorch on real numbers, and the line that made it.

The module runs as it is, so that whatever decides on shapes, flags or numbers in it decides as it always does.  An
``autograd.Function`` is one call, whatever its forward does; so is a module whose activation is declared.
"""

import linecache
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

TORCH, HERE = str(Path(torch.__file__).parent), str(Path(__file__).parent)

FUNCTIONS: Any = torch.autograd.function._SingleLevelFunction
"""Where every ``Function.apply`` ends, also one that was taken from its class before."""


class Place(NamedTuple):
    """Where a call was made: the line of somebody's own file, and the innermost module, as far as there are such."""

    module: str = ""
    kind: str = ""
    line: str = ""
    source: str = ""

    def __str__(self) -> str:
        """As a message begins: file and line, or the module where no file is anybody's own."""
        inside = f"module {self.module}" if self.module else "module"
        return f"{self.line}: {self.source}" if self.line else inside


class Call(NamedTuple):
    """A call on tensors: ``tensors`` are those among its arguments, ``values`` what they held before it."""

    function: Any
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]
    tensors: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    result: Any
    given: tuple[Tensor, ...]
    place: Place

    @property
    def name(self) -> str:
        """As it is called in Python."""
        named = str(getattr(self.function, "__name__", type(self.function).__name__))
        if named in ("__get__", "__set__"):  # of a tensor's property, such as T
            named = str(getattr(self.function.__self__, "__name__", named))
        return named.strip("_")

    @property
    def results(self) -> tuple[Tensor, ...]:
        """The tensors that it returned, or wrote into."""
        return written(self.arguments, self.result)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors in nested tuples, lists and dicts, in turn."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, tuple | list):
        for each in value:
            yield from tensors_in(each)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


def written(arguments: Sequence[Any], result: Any) -> tuple[Tensor, ...]:
    """The tensors of a result; of what returns nothing, such as ``z[z < 0] = 0``, the first argument."""
    return tuple(tensors_in(arguments[:1] if result is None else result))


Seen = Callable[[Any, tuple[Any, ...], dict[str, Any], Callable[[], Any]], Any]
"""What is told of a call: the function, its arguments, and how to make it; it returns the result."""


class Watched(TorchFunctionMode):
    """Hands each outermost call of PyTorch on to ``seen``."""

    def __init__(self, seen: Seen) -> None:
        super().__init__()
        self.seen, self.within = seen, 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Tell of a call, unless it is made inside another."""
        return self.told(func, args, kwargs or {}, lambda: func(*args, **(kwargs or {})))

    def told(self, function: Any, arguments: Any, keywords: Any, make: Callable[[], Any]) -> Any:
        """The result of a call, told of where it is an outermost one."""
        if self.within:
            return make()

        def alone() -> Any:
            self.within += 1
            try:
                return make()
            finally:
                self.within -= 1

        return self.seen(function, arguments, keywords, alone)


@contextmanager
def watching(seen: Seen) -> Iterator[Watched]:
    """Every call of PyTorch is handed to ``seen``, each ``autograd.Function`` as one."""
    mode = Watched(seen)

    def apply(cls: Any, *arguments: Any, **keywords: Any) -> Any:
        make = super(FUNCTIONS, cls).apply
        return mode.told(cls, arguments, keywords, lambda: make(*arguments, **keywords))

    FUNCTIONS.apply = classmethod(apply)
    try:
        with mode:
            yield mode
    finally:
        del FUNCTIONS.apply


def recorded(module: nn.Module, x: Tensor, leaves: tuple[type, ...] = ()) -> tuple[list[Call], Any]:
    """The calls of ``module(x)`` in turn, and what it returns; modules of the types ``leaves`` are one call each."""
    calls: list[Call] = []
    names = {id(part): name for name, part in module.named_modules()}
    inside: list[nn.Module] = []

    def kept(function: Any, arguments: Any, keywords: Any, make: Callable[[], Any]) -> Any:
        tensors = tuple(tensors_in([arguments, keywords]))
        values = tuple(t.detach().clone() for t in tensors)
        result = make()
        given = written(arguments, result)
        if tensors and given:
            part = inside[-1] if inside else module
            place = _place(names.get(id(part), ""), type(part).__name__)
            copies = tuple(t.detach().clone() for t in given)
            calls.append(Call(function, tuple(arguments), keywords, tensors, values, result, copies, place))
        return result

    with ExitStack() as stack:
        mode = stack.enter_context(watching(kept))

        def entered(part: nn.Module, arguments: Any) -> None:
            inside.append(part)
            if isinstance(part, leaves):
                mode.within += 1

        def left(part: nn.Module, arguments: Any, output: Any) -> None:
            if isinstance(part, leaves):
                mode.within -= 1
                mode.told(part, arguments, {}, lambda: output)
            inside.pop()

        stack.callback(register_module_forward_pre_hook(entered).remove)
        stack.callback(register_module_forward_hook(left).remove)
        return calls, module(x)


def _place(module: str, kind: str) -> Place:
    """The innermost line outside of PyTorch and of this folder that is running, up to the one who asks."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code is not recorded.__code__:
        name = frame.f_code.co_filename
        if not name.startswith((TORCH, HERE, "<")):
            path = Path(name)
            shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
            return Place(module, kind, f"{shown}:{frame.f_lineno}", linecache.getline(name, frame.f_lineno).strip())
        frame = frame.f_back
    return Place(module, kind)


def line_of(error: BaseException) -> str:
    """The innermost line of somebody's own file that an exception came through; empty where there is none."""
    found, step = "", error.__traceback__
    while step is not None:
        name = step.tb_frame.f_code.co_filename
        if not name.startswith((TORCH, HERE, "<")):
            found = f"{name}:{step.tb_lineno}: "
        step = step.tb_next
    return found
