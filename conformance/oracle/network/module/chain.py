"""A module's calls as a chain: linear layers, and between two of them one function that an activation may be.

What is a linear layer is told by numbers: a call on a matrix parameter W that gives x W^T, with b or before b is added.
The parameters are random then, so that nothing else gives that.  It does not matter by which function it is written.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .trace import Call, Place, tensors_in


class Linear(NamedTuple):
    """A linear layer: its parameters (``bias`` is None where it has none), and where it is.

    ``stored_in_out`` says that W is stored as (n_{l-1}, n_l).
    """

    weight: nn.Parameter
    bias: nn.Parameter | None
    stored_in_out: bool
    place: Place

    @property
    def widths(self) -> tuple[int, int]:
        """n_{l-1} and n_l."""
        n, m = self.weight.shape
        return (n, m) if self.stored_in_out else (m, n)


class Between(NamedTuple):
    """What follows a linear layer: the calls that lead from its z to what the next layer takes."""

    z: Tensor
    calls: tuple[Call, ...]
    result: Tensor

    def __call__(self, z: Tensor) -> Tensor:
        """The same calls on other numbers, without gradients."""
        now: dict[int, Tensor] = {id(self.z): z.clone()}
        with torch.no_grad():
            for call in self.calls:
                arguments, keywords = _replaced(call.arguments, now), _replaced(call.keywords, now)
                function = getattr(call.function, "apply", call.function)
                result = function(*arguments, **keywords)
                for old, new in zip(tensors_in(call.result), tensors_in(result), strict=True):
                    now[id(old)] = new
        return now[id(self.result)]


class Chain(NamedTuple):
    """Linear layers, and what follows each."""

    linear: tuple[Linear, ...]
    between: tuple[Between, ...]


class Data(NamedTuple):
    """A tensor that depends on x by the last linear layer ``stage`` alone; x itself is stage 0."""

    stage: int


ALONE = "check_pullback judges this operation alone"

CONSTANTS = ("zeros_like", "ones_like", "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty")
"""What takes a tensor's shape and not its numbers."""


def chain(calls: Sequence[Call], x: Tensor, output: Any, parameters: dict[str, nn.Parameter]) -> Chain:
    """The chain that recorded calls are.

    Parameters
    ----------
    calls : sequence of Call
    x : Tensor
        What the module was given.
    output : Any
        What it returned.
    parameters : dict
        By name, all of random numbers.

    Raises
    ------
    TypeError
        Naming the line that is no link of a chain, and the nearest that can be judged.
    """
    return _Reading(calls, x, parameters).of(output)


class _Reading:
    """The calls, read in turn: which tensor depends on what."""

    def __init__(self, calls: Sequence[Call], x: Tensor, parameters: dict[str, nn.Parameter]) -> None:
        self.calls, self.x = calls, x
        self.names = {id(p): name for name, p in parameters.items()}
        self.data: dict[int, Data] = {id(x): Data(0)}
        self.own: dict[int, tuple[nn.Parameter, ...]] = {id(p): (p,) for p in parameters.values()}
        self.linear: list[Linear] = []
        self.z: list[Tensor] = [x]
        self.after: list[list[Call]] = [[]]
        self.links: list[Between] = []

    def of(self, output: Any) -> Chain:
        """The chain from x to the output."""
        for call in self.calls:
            self._read(call)
        if not isinstance(output, Tensor):
            raise TypeError(f"module: expected one tensor returned, got {type(output).__name__}")
        if not self.linear:
            raise TypeError(
                "module: expected a linear layer x W^T + b, found none that PyTorch's functions compute (a scripted "
                "module shows none: ask the one that it was made from)"
            )
        if id(output) not in self.data:
            raise TypeError("module: what it returns is not computed from x by PyTorch's functions")
        stage = self.data[id(output)].stage
        if stage < len(self.linear):
            raise TypeError(f"{self.linear[stage].place}: what this layer gives does not reach what is returned")
        self._close(output)
        self._check_x(self.links[0])
        return Chain(tuple(self.linear), tuple(self.links[1:]))

    def _read(self, call: Call) -> None:
        data = {id(t): self.data[id(t)] for t in call.tensors if id(t) in self.data}
        own = tuple(p for t in call.tensors if id(t) in self.own for p in self.own[id(t)])
        if call.name in CONSTANTS:
            return
        if not data:
            if own:
                self.own.update(dict.fromkeys(map(id, call.results), own))
            return
        _check_steady(call)
        stages = sorted({d.stage for d in data.values()})
        if len(stages) > 1:
            named = [f"linear layer {stage}" if stage else "x" for stage in stages]
            raise TypeError(
                f"{call.place}: {call.name} joins what {' and '.join(named)} give (a residual, a branch, a gate), "
                f"which is no chain of layers; {ALONE}"
            )
        if own:
            self._parametric(call, own, len(data))
        else:
            self.after[-1 if stages[0] == len(self.linear) else stages[0]].append(call)
            self.data.update(dict.fromkeys(map(id, call.results), Data(stages[0])))

    def _parametric(self, call: Call, own: tuple[nn.Parameter, ...], inputs: int) -> None:
        """A call on data and parameters: a linear layer, or the bias of the last one."""
        at = next(i for i, t in enumerate(call.tensors) if id(t) in self.data)
        stage, a = self.data[id(call.tensors[at])].stage, call.values[at]
        passed = [(t, value) for t, value in zip(call.tensors, call.values, strict=True) if id(t) in self.own]
        self._check_not_computed(call, passed)
        if inputs == 1 and len(call.given) == 1:
            found = _bias(call, a, passed, self.own)
            if found is not None and self._takes_bias(call.tensors[at], stage):
                self._check_unshared(found, call.place)
                self.linear[-1] = self.linear[-1]._replace(bias=found)
                self._continued(call, stage)
                return
            layer = _linear(call, a, passed, self.own)
            if layer is not None:
                self._check_unshared(layer.weight, call.place)
                if layer.bias is not None:
                    self._check_unshared(layer.bias, call.place)
                if stage < len(self.linear):
                    raise TypeError(
                        f"{call.place}: a second layer that takes what "
                        f"{f'linear layer {stage}' if stage else 'x'} gives (a branch), which is no chain of layers"
                    )
                self._close(call.tensors[at])
                self.linear.append(layer)
                self.z.append(call.results[0])
                self.after.append([])
                self._continued(call, stage + 1)
                return
        named = ", ".join(self.names[id(p)] for p in dict.fromkeys(own))
        raise TypeError(f"{_of(call)}: {call.name} with {named} is no x W^T + b of rows (B, n); {ALONE}")

    def _takes_bias(self, t: Tensor, stage: int) -> bool:
        """Whether that is z of the last layer, untouched and still without b."""
        return bool(self.linear) and stage == len(self.linear) and self.linear[-1].bias is None and t is self.z[-1]

    def _continued(self, call: Call, stage: int) -> None:
        self.z[-1] = call.results[0]
        self.data[id(call.results[0])] = Data(stage)

    def _close(self, result: Tensor) -> None:
        self.links.append(Between(self.z[-1], tuple(self.after[-1]), result))

    def _check_x(self, first: Between) -> None:
        """What the first layer takes is x, perhaps in another shape."""
        taken = first(self.x.detach())
        if taken.numel() != self.x.numel() or not torch.equal(taken.reshape(-1), self.x.detach().reshape(-1)):
            raise TypeError(
                f"{_of(first.calls[-1])}: expected a Linear first, got {_listed(first.calls)} on x; do that to x "
                "before, and ask what comes after"
            )

    def _check_not_computed(self, call: Call, passed: Sequence[tuple[Tensor, Tensor]]) -> None:
        for t, value in passed:
            if not any(_same(value, p) for p in self.own[id(t)]):
                named = " and ".join(self.names[id(p)] for p in self.own[id(t)])
                raise TypeError(
                    f"{_of(call)}: expected a parameter, got a weight that is computed from {named} (weight_norm, "
                    "spectral_norm, parametrize, a mask), whose gradients are none of the documented equations"
                )

    def _check_unshared(self, p: nn.Parameter, place: Place) -> None:
        for l, layer in enumerate(self.linear, start=1):
            if layer.weight is p or layer.bias is p:
                raise TypeError(
                    f"{place}: expected parameters of its own, got {self.names[id(p)]} of linear layer {l} once more "
                    "(tied), whose gradient is a sum over both layers"
                )


def _same(value: Tensor, p: nn.Parameter) -> bool:
    """Whether a value holds a parameter's numbers, perhaps transposed or in another shape of as many numbers."""
    p = p.detach()  # type: ignore[assignment]
    if value.numel() != p.numel():
        return False
    return any(torch.equal(value.reshape(-1), q.reshape(-1)) for q in ((p, p.T) if p.ndim == 2 else (p,)))


def _near(got: Tensor, expected: Tensor) -> bool:
    """Equal in half the digits of the format: random parameters of a size of 1 give nothing else by chance."""
    if got.shape != expected.shape:
        return False
    off = (_wide(got) - expected).abs().max()
    return bool(off <= torch.finfo(got.dtype).eps ** 0.5 * expected.abs().max())


def _wide(t: Tensor) -> Tensor:
    """In float64, where that is to be had: on no MPS device."""
    return t.detach().cpu().double()


def _vector(value: Tensor, n: int) -> Tensor | None:
    return _wide(value).reshape(-1) if value.numel() == n else None


def _bias(
    call: Call, a: Tensor, passed: Sequence[tuple[Tensor, Tensor]], own: dict[int, tuple[nn.Parameter, ...]]
) -> nn.Parameter | None:
    """The parameter that a call adds to a (B, n), if that is all it does."""
    if len(passed) != 1 or a.ndim != 2:
        return None
    ((t, value),) = passed
    b = _vector(value, a.shape[1])
    return own[id(t)][0] if b is not None and _near(call.given[0], _wide(a) + b) else None


def _linear(
    call: Call, a: Tensor, passed: Sequence[tuple[Tensor, Tensor]], own: dict[int, tuple[nn.Parameter, ...]]
) -> Linear | None:
    """The layer that a call is, from a (B, m) and the parameters that were passed."""
    given = call.given[0]
    if a.ndim != 2 or given.ndim != 2 or len(passed) > 2:
        return None
    for i, (t, _) in enumerate(passed):
        rest = [*passed[:i], *passed[i + 1 :]]
        b = _vector(rest[0][1], given.shape[1]) if rest else torch.zeros(given.shape[1], dtype=torch.float64)
        p = own[id(t)][0]
        if p.ndim != 2 or b is None:
            continue
        for W, stored_in_out in ((_wide(p), False), (_wide(p).T, True)):
            if W.shape == (given.shape[1], a.shape[1]) and _near(given, _wide(a) @ W.T + b):
                return Linear(p, own[id(rest[0][0])][0] if rest else None, stored_in_out, call.place)
    return None


def _check_steady(call: Call) -> None:
    """Dropout is off."""
    if "dropout" not in call.name:
        return
    p, training = (
        call.keywords.get(name, call.arguments[at] if len(call.arguments) > at else default)
        for at, name, default in ((1, "p", 0.5), (2, "training", "alpha" not in call.name))
    )
    if training and p:
        own = call.place.kind.startswith(("Dropout", "AlphaDropout", "FeatureAlphaDropout"))
        mended = "call .eval()" if own else "pass training=self.training, and call .eval()"
        raise TypeError(f"{_of(call)}: Dropout is on, and what it does is none of the reference's equations; {mended}")


def _replaced(value: Any, now: dict[int, Tensor]) -> Any:
    if isinstance(value, Tensor):
        return now.get(id(value), value)
    if isinstance(value, tuple | list) and not hasattr(value, "_fields") and type(value) in (tuple, list):
        return type(value)(_replaced(each, now) for each in value)
    if isinstance(value, dict):
        return {name: _replaced(each, now) for name, each in value.items()}
    return value


def _of(call: Call) -> str:
    """Where a call is, with its module's class where that is one of ``torch.nn``."""
    kind = call.place.kind
    named = getattr(nn, kind, None) is not None and kind not in ("Module", "Sequential", "ModuleList")
    return f"{call.place} ({kind})" if named else str(call.place)


def _listed(calls: Sequence[Call]) -> str:
    """The names of calls, each once."""
    return ", ".join(dict.fromkeys(call.name for call in calls))
