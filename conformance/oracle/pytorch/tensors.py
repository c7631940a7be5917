"""A forward function of PyTorch's tensors, followed: recorded as a graph of ATen's operations, run on recorded arrays.

The function itself runs once, on the CPU: in the inputs' own dtype, since some functions ask for it (the eps of
`rms_norm`), or where PyTorch lacks an operation in that, in float64; where it holds tensors of another device, on that.
`make_fx` records what it does, an autograd.Function's own forward function included, and PyTorch's decompositions make
of its many operations the some hundred in `aten`.
"""

import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...arrays import Array
from ...bounds.formats import Format
from ...problems.layouts import like, numbers
from ..following.array import Recorded, Recording, Unfollowed, holds_recorded
from ..following.dispatch import DISPATCH
from ..following.following import line_of
from ..recording.branches import Branches, Decide
from ..recording.graph import Node, leaf
from ..recording.reverse import Followed
from ..recording.sums import gather
from .aten import MOVING, NUMBERS, OPS, VIEWS

Runner = Callable[[Format, Decide | None], Followed]
"""Runs what was recorded: of the format judged, and what decides comparisons."""


def record_tensors(function: Callable[..., Any], values: Sequence[Array], given: Sequence[Any]) -> Runner:
    """Record a function of tensors.

    Parameters
    ----------
    function : callable
        Of as many tensors as there are values, to one tensor.
    values : sequence of arrays
        The numbers of its inputs.
    given : sequence of tensors
        Of whose dtype and device the function expects its inputs.

    Raises
    ------
    Unfollowed
        Why it cannot be recorded.
    """
    # What is compiled holds what it was compiled from.
    plain = getattr(function, "_torchdynamo_orig_callable", getattr(function, "_orig_mod", function))
    graph = _graph(plain, values, given)

    def run(format: Format, decide: Decide | None = None) -> Followed:
        branches = Branches(decide)
        recording = Recording(format, branches, DISPATCH)
        leaves = tuple(leaf(x, format) for x in values)
        try:
            output = _Interpreter(recording, graph).run([recording.array(x) for x in leaves])
        except _Stopped as error:
            target, said = error.args
            inputs = [like(x, kind) for x, kind in zip(values, given, strict=True)]
            raise Unfollowed(f"{_place(function, inputs, target)}{said}") from error
        return Followed(leaves, recording.node(_plain(output)), tuple(branches.met))

    return run


def _graph(function: Callable[..., Any], values: Sequence[Array], given: Sequence[Any]) -> Any:
    import torch
    from torch._decomp import core_aten_decompositions

    wide = [torch.from_numpy(x.astype(np.float64)) for x in values]
    same = [like(x, kind) for x, kind in zip(values, given, strict=True)]
    table = core_aten_decompositions()
    table.pop(torch.ops.aten.detach.default, None)  # what is detached is a constant
    said: Exception | None = None
    for inputs in ([x.cpu() for x in same], wide, same):
        try:
            return _recorded(function, table, inputs)
        except Exception as error:  # whatever a function may do with tensors that are recorded
            said = said or error
    first = str(said).splitlines()[0] if str(said) else ""
    raise Unfollowed(f"PyTorch cannot record it: {type(said).__name__}: {first}")


def _recorded(function: Callable[..., Any], table: Any, inputs: Sequence[Any]) -> Any:
    """A graph in which nothing is changed in place, if PyTorch can make one."""
    import torch
    from torch.fx.experimental.proxy_tensor import make_fx

    def plain(*xs: Any) -> Any:
        return function(*xs)

    functional: Any = torch.func.functionalize(plain)
    with torch.no_grad():
        try:
            return make_fx(functional, table, "real")(*inputs)
        except Exception:  # an autograd.Function of the older kind cannot be transformed
            return make_fx(plain, table, "real")(*inputs)


def _plain(x: Any) -> Any:
    """A tensor's numbers as NumPy's array; anything else as it is."""
    import torch

    return numbers(x) if isinstance(x, torch.Tensor) else x


def _tensor(x: Any) -> Any:
    """NumPy's arrays, such as the outcomes of comparisons, as tensors."""
    import torch

    if type(x) is not Recorded and isinstance(x, np.ndarray | np.generic):
        return torch.from_numpy(np.array(x))
    return x


class _Stopped(Exception):
    """An operation that cannot be done: its full name, and why."""


class _Interpreter:
    """Runs a recorded graph: what no input leads to as it is, all else on recorded arrays."""

    def __init__(self, recording: Recording, graph: Any) -> None:
        self.recording, self.graph = recording, graph
        self.values: dict[Any, Any] = {}
        self.changes = any(_in_place(node) for node in graph.graph.nodes)

    def run(self, inputs: Sequence[Recorded]) -> Any:
        """The output, for the inputs in their order."""
        waiting = iter(inputs)
        for node in self.graph.graph.nodes:
            if node.op == "placeholder":
                self.values[node] = next(waiting)
            elif node.op == "get_attr":
                self.values[node] = _attribute(self.graph, node.target)
            elif node.op == "output":
                (output,) = node.args
                return self._argument(output[0] if isinstance(output, tuple | list) else output)
            else:
                self.values[node] = self._result(node)
        raise AssertionError("a graph has an output")

    def _argument(self, x: Any) -> Any:
        from torch.fx.node import Node as Named

        if isinstance(x, Named):
            return self.values[x]
        if isinstance(x, list | tuple):
            return [self._argument(part) for part in x]
        return x

    def _result(self, node: Any) -> Any:
        args = [self._argument(x) for x in node.args]
        kwargs = {name: self._argument(x) for name, x in node.kwargs.items()}
        if node.target is operator.getitem:
            return args[0][args[1]]
        if not holds_recorded([*args, *kwargs.values()]):
            result = node.target(*args, **kwargs)
            # What is changed later may have to hold recorded numbers.
            holds = self.changes and hasattr(result, "is_floating_point") and result.is_floating_point()
            return self.recording.constant(numbers(result)) if holds else result
        packet, _, overload = str(node.target).removeprefix("aten.").partition(".")
        in_place = _in_place(node)
        name = packet.removesuffix("_") if in_place else packet
        try:
            with np.errstate(all="ignore"):
                result = self._operation(node.target, name, overload, args, kwargs)
        except Exception as error:
            raise _Stopped(str(node.target), f"{packet}: {type(error).__name__}: {error}") from error
        if in_place:
            if type(args[0]) is Recorded:
                args[0].write(args[0].positions, result)
                return args[0]
            self.values[node.args[0]] = result  # a tensor of constants holds recorded numbers from here on
        return result

    def _operation(self, target: Any, name: str, overload: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        accumulates = name.endswith("index_put") and (args[3:4] == [True] or kwargs.get("accumulate"))
        if name in MOVING and not accumulates:
            return self._moved(target, name, args, kwargs)
        operation = OPS.get(f"{name}.{overload}") or OPS.get(name)
        if operation is None:
            raise Unfollowed("nothing is known of this operation")
        result = operation(self.recording, *map(_arrays, args), **{k: _arrays(x) for k, x in kwargs.items()})
        return tuple(map(_tensor, result)) if isinstance(result, tuple | list) else _tensor(result)

    def _moved(self, target: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Run an operation on positions: position 0 holds the zero that some fill with."""
        import torch

        if name in VIEWS and type(args[0]) is Recorded:
            views = target(torch.from_numpy(args[0].positions), *args[1:], **kwargs)
            many = isinstance(views, tuple | list)
            return [args[0].at(part.numpy()) for part in views] if many else args[0].at(views.numpy())
        nodes: list[Node] = [self.recording.node(np.zeros(1))]

        def positions(x: Any) -> Any:
            if isinstance(x, list | tuple):
                return [positions(part) for part in x]
            if not isinstance(x, torch.Tensor | float | int) and type(x) is not Recorded:
                return x
            node, start = self.recording.node(_plain(x)), sum(n.size for n in nodes)
            nodes.append(node)
            if not isinstance(x, torch.Tensor) and type(x) is not Recorded:
                return float(start)
            # Float64 holds positions exactly, and every operation takes it.
            return torch.arange(start, start + node.size, dtype=torch.float64).reshape(node.shape)

        numbers_at = NUMBERS.get(name, (0,))
        args = [positions(x) if k in numbers_at else _on_cpu(x) for k, x in enumerate(args)]
        kwargs = {k: positions(x) if holds_recorded(x) or k == "value" else _on_cpu(x) for k, x in kwargs.items()}
        result = target(*args, **kwargs)
        many = isinstance(result, tuple | list)
        moved = [
            self.recording.array(gather(nodes, part.numpy().astype(np.intp))) for part in (result if many else [result])
        ]
        return moved if many else moved[0]


def _on_cpu(x: Any) -> Any:
    """Indices and masks, where the positions are."""
    if isinstance(x, list | tuple):
        return [_on_cpu(part) for part in x]
    return x.cpu() if hasattr(x, "cpu") else x


def _in_place(node: Any) -> bool:
    """Whether a node changes its first argument."""
    return node.op == "call_function" and re.fullmatch(r"aten\.\w*[^_]_(\..*)?", str(node.target)) is not None


def _arrays(x: Any) -> Any:
    """The arguments of an operation, without tensors."""
    return [_arrays(part) for part in x] if isinstance(x, list | tuple) else _plain(x)


def _attribute(module: Any, target: str) -> Any:
    for name in target.split("."):
        module = getattr(module, name)
    return module


def _place(function: Callable[..., Any], inputs: Sequence[Any], target: str) -> str:
    """The line of somebody's own code that asks for an operation: it runs once more, and stops there."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Stops(TorchDispatchMode):
        def __torch_dispatch__(self, f: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if str(f) == target:
                raise Unfollowed(target)
            return f(*args, **(kwargs or {}))

    try:
        with torch.no_grad(), Stops():  # type: ignore[no-untyped-call]
            function(*inputs)
    except Exception as error:  # whatever stops it
        return line_of(error)
    return ""
