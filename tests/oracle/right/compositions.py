"""Functions drawn: some steps one after the other, each with parameters of its own."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import torch

from conformance.arrays import Array
from conformance.problems.layouts import like, numbers

from .steps import ANY, IMAGE, LAST, MATRIX, SEQUENCE, WRITTEN, Maker, Shape

LARGEST = 16.0
"""What a drawn function's values stay below, and far from float16's end: else another step is drawn."""

LONGEST = 200
"""And they are fewer than that."""

STARTS: tuple[Shape, ...] = ((3, 4), (2, 6), (5, 3), (4, 8), (2, 3, 4), (2, 5, 3), (2, 4, 6, 5), (1, 2, 5, 4))


OF_AXES: dict[int, dict[str, Maker]] = {2: MATRIX, 3: SEQUENCE, 4: IMAGE}
"""Steps of arrays with so many axes; every other step is one of those."""


class Composition(NamedTuple):
    """A function of the first input and all parameters, in their order."""

    steps: tuple[str, ...]
    function: Callable[..., Any]
    inputs: tuple[Array, ...]

    @property
    def name(self) -> str:
        """What it does, in order."""
        return ", ".join(self.steps)


class Drawn(NamedTuple):
    """A step drawn: what it does, its parameters, and what comes after it."""

    name: str
    f: Callable[..., Any]
    parameters: tuple[Array, ...]
    after: Any


def generator(kind: str, number: int) -> np.random.Generator:
    """Of one function drawn."""
    return np.random.default_rng((number, len(kind)))


def _chain(functions: Sequence[Callable[..., Any]], arities: Sequence[int]) -> Callable[..., Any]:
    def function(x: Any, *parameters: Any) -> Any:
        rest = list(parameters)
        for f, n in zip(functions, arities, strict=True):
            x, rest = f(x, *rest[:n]), rest[n:]
        return x

    return function


def in_pytorch(number: int) -> Composition:
    """A function of tensors: two to five steps, every other time with a loss or the like at the end."""
    rng = generator("pytorch", number)
    x = rng.standard_normal(STARTS[number % len(STARTS)])
    value, drawn = torch.from_numpy(x), []
    for _ in range(int(rng.integers(2, 6))):
        own = OF_AXES.get(value.ndim, ANY)
        drawn.append(_next_in_pytorch(own if rng.integers(2) else ANY, value, rng))
        value = drawn[-1].after
    if value.ndim == 2 and min(value.shape) > 1 and number % 2:
        drawn.append(_next_in_pytorch(LAST, value, rng))
    function = _chain([d.f for d in drawn], [len(d.parameters) for d in drawn])
    return Composition(tuple(d.name for d in drawn), function, (x, *(p for d in drawn for p in d.parameters)))


def _next_in_pytorch(table: dict[str, Maker], value: torch.Tensor, rng: np.random.Generator) -> Drawn:
    """A step that what came before can take."""
    names = sorted(table)
    while True:
        name = names[int(rng.integers(len(names)))]
        step = table[name](tuple(value.shape), rng)
        parameters = tuple(rng.standard_normal(shape) for shape in step.parameters)
        try:
            after = step.f(value, *map(torch.from_numpy, parameters))
        except (RuntimeError, ValueError, IndexError):  # the shape is none for it
            continue
        if after.ndim <= 4 and 0 < after.numel() < LONGEST and _moderate(after.numpy()):
            return Drawn(name, step.f, parameters, after)


def _moderate(values: Array) -> bool:
    return bool((abs(values) < LARGEST).all() and (abs(values) > 0).any())


def in_numpy(number: int) -> Composition:
    """A function of arrays, and of JAX's: its first argument is the namespace."""
    rng = generator("numpy", number)
    x = rng.standard_normal(((3, 4), (2, 5), (4, 3))[number % 3])
    value, drawn = x, []
    for _ in range(int(rng.integers(2, 6))):
        drawn.append(_next_in_numpy(value, rng))
        value = drawn[-1].after

    def function(xp: Any, *arguments: Any) -> Any:
        return _chain([partial(d.f, xp) for d in drawn], [len(d.parameters) for d in drawn])(*arguments)

    return Composition(tuple(d.name for d in drawn), function, (x, *(p for d in drawn for p in d.parameters)))


def _next_in_numpy(value: Array, rng: np.random.Generator) -> Drawn:
    names = sorted(WRITTEN)
    while True:
        name = names[int(rng.integers(len(names)))]
        parameters = tuple(rng.standard_normal(shape) for shape in WRITTEN[name].parameters(value.shape))
        after = WRITTEN[name].f(np, value, *parameters)
        if min(after.shape) > 1 and after.size < LONGEST and _moderate(after):
            return Drawn(name, WRITTEN[name].f, parameters, after)


def by_jax(function: Callable[..., Any]) -> Callable[..., Any]:
    """The pullback that JAX gives, in the dtype of the inputs."""

    def pullback(*arguments: Any) -> Any:
        name = str(arguments[0].dtype).removeprefix("torch.")
        with jax.enable_x64(True):
            *inputs, g = (jnp.asarray(numbers(a), name) for a in arguments)
            found = jax.vjp(lambda *xs: function(jnp, *xs), *inputs)[1](g)
            return tuple(
                like(np.asarray(p.astype("float64" if name == "float64" else "float32")), arguments[0]) for p in found
            )

    return pullback
