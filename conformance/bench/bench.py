"""Speed and memory, as ratios within one run: the reference against PyTorch, JAX and its own matrix products.

The same text also runs on PyTorch's tensors and JAX's arrays, compiled or not, and is timed there as well.

The step timed is `forward`, the fused delta^L, `backward`, `update`.  Every rival takes the same step from the same
numbers on the same threads; all are warmed up, and timed in turns, so that a ratio compares moments that are close.
"""

import os
import platform
import statistics
import time
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from threadpoolctl import threadpool_info
from torch.nn import functional as F

from reference import (
    Activation,
    CrossEntropy,
    HalfSquaredError,
    Identity,
    Layer,
    Loss,
    ReLU,
    Sigmoid,
    Softmax,
    backward,
    forward,
    initialised,
    update,
    value_and_gradients,
)
from reference.losses import fused

from ..arrays import Array, Gradients, Network
from ..subjects import twin

ETA = 0.125
ROUNDS = 15
"""Turns; the median of their ratios is reported."""

TURN = 0.02
"""Seconds that a turn lasts at least, so that the clock's resolution does not count."""


class Size(NamedTuple):
    """A network and batch to be timed."""

    widths: tuple[int, ...]
    batch: int
    dtype: str

    def __str__(self) -> str:
        return f"{'-'.join(map(str, self.widths))}, {self.batch}, {self.dtype}"


SIZES = (
    Size((2, 2, 1), 4, "float64"),
    Size((64, 32, 10), 32, "float32"),
    Size((784, 128, 10), 64, "float32"),
    Size((784, 512, 512, 10), 128, "float32"),
    Size((1024, 1024, 1024, 1024, 1024), 256, "float32"),
)


class Case(NamedTuple):
    """What all rivals start from: sigmoid and squared error for a single output, else relu and cross-entropy."""

    network: Network
    x: Array
    y: Array
    loss: Loss


class Row(NamedTuple):
    """One size: the reference's median time in seconds, and its ratio to each rival's, None where there is none."""

    size: str
    seconds: float
    ratios: dict[str, float | None]


class Memory(NamedTuple):
    """The peak of what a step allocates, over the bytes of its trace and gradients."""

    size: str
    ratio: float


def case(size: Size) -> Case:
    """The numbers of a size, always the same."""
    rng = np.random.default_rng(0)
    hidden = len(size.widths) - 2
    single = size.widths[-1] == 1
    sigmas: list[Activation] = [Sigmoid()] * (hidden + 1) if single else [*[ReLU()] * hidden, Softmax()]
    network = initialised(rng, size.widths, sigmas, dtype=size.dtype)
    x = rng.standard_normal((size.batch, size.widths[0])).astype(size.dtype)
    K = size.widths[-1]
    y = rng.random((size.batch, 1)) if single else np.eye(K)[rng.integers(0, K, size.batch)]
    return Case(network, x, y.astype(size.dtype), HalfSquaredError() if single else CrossEntropy())


def step(case: Case) -> tuple[Network, Gradients]:
    """The reference's step, with what it computed on the way."""
    network, x, y, loss = case
    steps = forward(network, x)
    a, head = steps[-1].a, fused(network[-1].sigma, loss)
    g = (head.delta(a, y) if head else loss.gradient(a, y)) / len(x)
    pulled = (*network[:-1], Layer(network[-1].W, network[-1].b, Identity())) if head else network
    gradients = backward(pulled, steps, g)
    return update(network, gradients, ETA), gradients


def through_the_door(case: Case) -> Callable[[], object]:
    """The checked door and an update."""
    network, x, y, loss = case
    return lambda: update(network, value_and_gradients(network, x, y, loss, "mean")[1], ETA)


def products(case: Case) -> Callable[[], object]:
    """The floor: the matrix products of every layer alone, three but for the first, whose dL/dx nobody needs."""
    steps = forward(case.network, case.x)
    layers = [(layer.W, s.a_prev, s.z) for layer, s in zip(case.network, steps, strict=True)]

    def run() -> None:
        for l, (W, a, delta) in enumerate(layers):
            a @ W.T
            delta.T @ a
            if l:
                delta @ W

    return run


def eager(case: Case, compiled: bool = False) -> Callable[[], object]:
    """PyTorch: forward, loss, autograd, SGD."""
    network, loss = case.network, case.loss
    parameters = twin.tensors(network)
    optimiser = torch.optim.SGD([p for layer in parameters for p in layer], lr=ETA)
    x, y = torch.tensor(case.x), torch.tensor(case.y)
    activation = torch.sigmoid if isinstance(loss, HalfSquaredError) else torch.relu

    def value(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        a = x
        for W, b in parameters[:-1]:
            a = activation(F.linear(a, W, b))
        z = F.linear(a, *parameters[-1])
        if isinstance(loss, HalfSquaredError):
            return F.mse_loss(torch.sigmoid(z), y) / 2
        return F.cross_entropy(z, y)

    evaluate: Any = torch.compile(value) if compiled else value

    def run() -> None:
        optimiser.zero_grad()
        evaluate(x, y).backward()
        optimiser.step()

    return run


def jax(case: Case) -> Callable[[], object]:
    """JAX: the same loss, differentiated and jitted with its update; on one thread, as the others are."""
    jax, jnp = single_threaded_jax()
    single = isinstance(case.loss, HalfSquaredError)
    activation = jax.nn.sigmoid if single else jax.nn.relu
    parameters = [(jnp.asarray(W), jnp.asarray(b)) for W, b, _ in case.network]
    x, y = jnp.asarray(case.x), jnp.asarray(case.y)

    def value(parameters: Any) -> Any:
        a = x
        for W, b in parameters[:-1]:
            a = activation(a @ W.T + b)
        W, b = parameters[-1]
        z = a @ W.T + b
        if single:
            return ((jax.nn.sigmoid(z) - y) ** 2).mean() / 2
        return -(y * jax.nn.log_softmax(z)).sum(axis=1).mean()

    def updated(parameters: Any) -> Any:
        return jax.tree.map(lambda p, g: p - ETA * g, parameters, jax.grad(value)(parameters))

    compiled = jax.jit(updated)
    return lambda: jax.block_until_ready(compiled(parameters))


def single_threaded_jax() -> tuple[Any, Any]:
    """JAX and its NumPy, in double precision where it is asked for, on one thread."""
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")  # read once, when JAX starts
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    return jax, jnp


Arrays = tuple[tuple[Array, Array], ...]
"""The weights and biases of every layer, in some library's arrays."""


def text_on(
    case: Case, array: Callable[[Array], Any], compiled: Callable[[Callable[..., Arrays]], Callable[..., Arrays]]
) -> Callable[[], Arrays]:
    """The reference's own text on another library's arrays, compiled in some way."""
    sigmas = [layer.sigma for layer in case.network]
    parameters = tuple((array(W), array(b)) for W, b, _ in case.network)
    x, y = array(case.x), array(case.y)

    def stepped(parameters: Arrays, x: Array, y: Array) -> Arrays:
        network = tuple(Layer(W, b, sigma) for (W, b), sigma in zip(parameters, sigmas, strict=True))
        updated, _ = step(Case(network, x, y, case.loss))
        return tuple((W, b) for W, b, _ in updated)

    run = compiled(stepped)
    return lambda: run(parameters, x, y)


def text_on_jax(case: Case) -> Callable[[], object]:
    """The reference's own text under jax.jit."""
    jax, jnp = single_threaded_jax()
    run = text_on(case, jnp.asarray, jax.jit)
    return lambda: jax.block_until_ready(run())


TEXTS: dict[str, Callable[[Case], Callable[[], object]]] = {
    "on tensors": lambda case: text_on(case, torch.tensor, lambda run: run),
    "under torch.compile": lambda case: text_on(case, torch.tensor, torch.compile),
    "under jax.jit": text_on_jax,
}
"""The reference's own text in other libraries."""

RIVALS: dict[str, Callable[[Case], Callable[[], object]]] = {
    "PyTorch eager": eager,
    "torch.compile": lambda case: eager(case, compiled=True),
    "JAX jit": jax,
    "own products": products,
    "checked door": through_the_door,
}


def measure(size: Size) -> Row:
    """Time the reference, every rival that works here and the text in other libraries, in turns."""
    numbers = case(size)
    runs: dict[str, Callable[[], object]] = {"reference": lambda: step(numbers)}
    for name, rival in (RIVALS | TEXTS).items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                run = rival(numbers)
                run()
                runs[name] = run
        except Exception:  # no compiler, no JAX, a version that does not fit: shown as absent
            continue
    repeats = {name: max(1, round(TURN / _seconds(run, 3))) for name, run in runs.items()}
    turns = [{name: _seconds(run, repeats[name]) for name, run in runs.items()} for _ in range(ROUNDS)]
    ratios = {
        name: statistics.median(turn["reference"] / turn[name] for turn in turns) if name in runs else None
        for name in RIVALS | TEXTS
    }
    return Row(str(size), statistics.median(turn["reference"] for turn in turns), ratios)


def _seconds(run: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        run()
    return (time.perf_counter() - start) / repeats


def memory(size: Size) -> Memory:
    """What a step allocates at its peak, the new network included, over what trace and gradients need."""
    numbers = case(size)
    step(numbers)
    steps, (_, gradients) = forward(numbers.network, numbers.x), step(numbers)
    needed = sum(s.z.nbytes + s.a.nbytes for s in steps) + sum(part.nbytes for g in gradients for part in g)
    del steps, gradients
    tracemalloc.start()
    try:
        step(numbers)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return Memory(str(size), peak / needed)


def machine() -> dict[str, Any]:
    """What the figures were taken on, as far as they depend on it."""
    of_numpy = next((b for b in threadpool_info() if "numpy" in b["filepath"]), None)
    blas = "{internal_api} {version} with {architecture} kernels, threads: {num_threads}".format(**of_numpy or UNKNOWN)
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": blas,
        "torch": torch.__version__,
        "torch threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "avx512": "AVX512" in torch.backends.cpu.get_cpu_capability(),
    }


UNKNOWN = {"internal_api": "BLAS", "version": "unknown", "architecture": "unknown", "num_threads": "unknown"}
