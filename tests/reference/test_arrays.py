"""One text, every array library: on PyTorch's tensors and JAX's arrays, traced and compiled, within the same bounds.

pytestmark = pytest.mark.sampled(2)

The bound is that of the NumPy text run on `Rounded`; beside it, automatic differentiation through the text stays
between the one-sided derivatives at every kink.
"""

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from conformance.arrays import Array
from conformance.bounds.admitted import Widened, WidenedLoss, admitted_loss
from conformance.bounds.formats import NAMED_FORMATS, Format
from conformance.bounds.rounded import Rounded
from conformance.judge.judgement import compare
from conformance.numbers.balls import balls
from conformance.problems.layouts import numbers
from reference import (
    ACTIVATIONS,
    CELU,
    ELU,
    LOSSES,
    SGD,
    UPDATES,
    Activation,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    CrossEntropy,
    Gradient,
    Hardtanh,
    Huber,
    Identity,
    Layer,
    LeakyReLU,
    LogSoftmax,
    Loss,
    NAdam,
    RAdam,
    ReLU,
    RMSprop,
    Rule,
    Softmax,
    Softplus,
    Softshrink,
    Tanh,
    advance,
    backward,
    begin,
    clipped,
    forward,
    input_gradient,
    loss_and_gradients,
)
from reference.losses import REQUIRED_HEAD, TARGETS


@pytest.fixture(scope="module", autouse=True)
def _double_precision() -> Iterator[None]:
    """JAX has float64 only where it is asked for."""
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


class Library(NamedTuple):
    """An array library and a dtype: how its arrays are made, and how a function of arrays is run."""

    name: str
    format: Format
    array: Callable[[Array], Any]
    run: Callable[..., Any]


def _torch(dtype: str) -> Library:
    array = lambda x: torch.tensor(x).to(getattr(torch, dtype))
    return Library(f"torch {dtype}", NAMED_FORMATS[dtype], array, lambda f, *arrays: f(*arrays))


def _jax(dtype: str) -> Library:
    array = lambda x: jnp.asarray(x, dtype)
    return Library(f"jax.jit {dtype}", NAMED_FORMATS[dtype], array, lambda f, *arrays: jax.jit(f)(*arrays))


LIBRARIES = [_torch(dtype) for dtype in ("float64", "float32", "bfloat16", "float16")]
LIBRARIES += [_jax(dtype) for dtype in ("float64", "float32", "bfloat16")]

each_library = pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.name)


def plain(x: Any) -> Array:
    """A result's numbers; those of bfloat16, which NumPy lacks, in float32."""
    if isinstance(x, jax.Array):
        return np.asarray(x.astype(jnp.float32) if x.dtype == jnp.bfloat16 else x)
    return numbers(x)


def drawn(library: Library, *shape: int, scale: float = 2.0, seed: int = 3) -> Array:
    """Generic numbers that the library's format holds exactly."""
    return plain(library.array(scale * np.random.default_rng(seed).standard_normal(shape)))


def lifted(library: Library, x: Array) -> Rounded:
    return Rounded(x, np.zeros(x.shape), library.format)


def held(library: Library, what: str, got: Any, admitted: Rounded, given: Any) -> None:
    """A result of the dtype of what was given, within what is admitted, which is narrow enough to tell."""
    assert got.dtype == given.dtype, f"{what}: {got.dtype}"
    judgement = compare(what, 0, plain(got), admitted)
    assert not judgement.wrong, judgement
    assert judgement.undecided < judgement.elements, judgement


SIGMAS: list[Activation] = [*(kind() for kind in ACTIVATIONS.values())]
SIGMAS += [LeakyReLU(0.5), ELU(0.75), CELU(0.5), Softplus(0.5, 3)]


@each_library
@pytest.mark.parametrize("sigma", SIGMAS, ids=repr)
def test_activations(library: Library, sigma: Activation) -> None:
    z, g = drawn(library, 4, 5), drawn(library, 4, 5, seed=4)
    given, cotangent = library.array(z), library.array(g)
    a = library.run(sigma.apply, given)
    held(library, "F2", a, Widened(sigma).apply(lifted(library, z)), given)
    delta = library.run(sigma.pullback, given, a, cotangent)
    admitted = Widened(sigma).pullback(lifted(library, z), lifted(library, plain(a)), lifted(library, g))
    held(library, "B1", delta, admitted, given)


LOSSES_ASKED = [*(kind() for kind in LOSSES.values()), CrossEntropy((1.0, 0.5, 2.0), 0.125), Huber(0.5)]


@each_library
@pytest.mark.parametrize("loss", LOSSES_ASKED, ids=repr)
def test_losses(library: Library, loss: Loss) -> None:
    a = drawn(library, 5, 3, scale=1.0)
    a = plain(library.run(REQUIRED_HEAD.get(type(loss), Identity)().apply, library.array(a)))
    low, high = TARGETS.get(type(loss), (-np.inf, np.inf))
    y = drawn(library, 5, 3, seed=5)
    y = plain(library.array((abs(y) % 1 if low == 0 else y).clip(low, high)))
    outputs, targets = library.array(a), library.array(y)
    of = WidenedLoss(loss)
    value = library.run(loss.value, outputs, targets)
    held(library, "L", value, of.value(lifted(library, a), lifted(library, y)), outputs)
    gradient = library.run(loss.gradient, outputs, targets)
    held(library, "G", gradient, of.gradient(lifted(library, a), lifted(library, y)), outputs)


RULES = [
    SGD(0.125),
    SGD(0.125, momentum=0.5, nesterov=True, weight_decay=0.25),
    Adagrad(0.125, lr_decay=0.5, eps=2.0**-10),
    RMSprop(0.125, alpha=0.75, eps=2.0**-10, momentum=0.5),
    Adam(0.125, 0.5, 0.75, 2.0**-10, weight_decay=0.25, amsgrad=True),
    AdamW(0.125, 0.5, 0.75, 2.0**-10, weight_decay=0.25),
    Adamax(0.125, 0.5, 0.75, 2.0**-10),
    NAdam(0.125, 0.5, 0.75, 2.0**-10),
    RAdam(0.125, 0.5, 0.75, 2.0**-10),
    Adadelta(0.5, 0.75, 2.0**-10),
]
"""Every rule, with parameters that every format holds: a beta of 0.999 is 1 in bfloat16."""


def test_every_rule_is_asked() -> None:
    assert {type(rule) for rule in RULES} == set(UPDATES.values())


@each_library
@pytest.mark.parametrize("rule", RULES, ids=repr)
def test_update_rules(library: Library, rule: Rule) -> None:
    """Each step from the library's own numbers of the step before; radam's seventh is a rectified one."""
    p = library.array(drawn(library, 4, 3))
    slots = rule.start(p)
    for t in range(1, 8):
        g = drawn(library, 4, 3, seed=10 + t)
        bounds = tuple(lifted(library, plain(slot)) for slot in slots)
        admitted, _ = rule.step(lifted(library, plain(p)), lifted(library, g), bounds, t, rule.eta)
        stepped = partial(lambda t, p, g, *slots: rule.step(p, g, slots, t, rule.eta), t)
        p, slots = library.run(stepped, p, library.array(g), *slots)
        held(library, f"step {t}", p, admitted, library.array(g))


WIDTHS = (5, 4, 3, 6)
RULE = SGD(0.125)


def step(arrays: tuple[Any, ...], x: Any, y: Any) -> tuple[Any, ...]:
    """A step of training with all that it passes through: loss, gradients, dL/dx, clipped gradients, the update."""
    network = layers(arrays)
    evaluation = loss_and_gradients(network, x, y, CrossEntropy(), "mean")
    gradients = clipped(evaluation.gradients, 0.5)
    updated, _ = advance(RULE, network, gradients, begin(RULE, network))
    below = input_gradient(network, evaluation.gradients)
    return evaluation.value, below, *(part for each in evaluation.gradients for part in each), *(
        part for layer in updated for part in layer[:2]
    )


def layers(arrays: tuple[Any, ...]) -> tuple[Layer[Any], ...]:
    sigmas: tuple[Activation, ...] = (Tanh(), ReLU(), Softmax())
    return tuple(Layer(W, b, sigma) for W, b, sigma in zip(arrays[::2], arrays[1::2], sigmas, strict=True))


def case(library: Library) -> tuple[tuple[Array, ...], Array, Array]:
    """A network, samples and soft targets, of numbers that the library's format holds."""
    shapes = [shape for m, n in pairwise(WIDTHS) for shape in ((n, m), (n,))]
    arrays = tuple(drawn(library, *shape, scale=0.5, seed=20 + k) for k, shape in enumerate(shapes))
    y = abs(drawn(library, 7, WIDTHS[-1], seed=31))
    return arrays, drawn(library, 7, WIDTHS[0], seed=30), plain(library.array(y % 1))


def admitted_step(library: Library, results: tuple[Any, ...]) -> Iterator[Rounded]:
    """What `step` is held to: the same on `Rounded`, widened; the update from its gradients."""
    arrays, x, y = case(library)
    network = layers(tuple(lifted(library, array) for array in arrays))
    widened = tuple(layer._replace(sigma=Widened(layer.sigma)) for layer in network)
    steps = forward(widened, lifted(library, x))
    value, sigma, g = admitted_loss(Softmax(), steps[-1].z, steps[-1].a, lifted(library, y), CrossEntropy(), "mean")
    gradients = backward((*widened[:-1], widened[-1]._replace(sigma=sigma)), steps, g)
    yield value
    yield input_gradient(network, gradients)
    yield from (part for each in gradients for part in each)
    parts = [lifted(library, plain(part)) for part in results[2 : 2 + 3 * len(network)]]
    own = tuple(Gradient(*parts[k : k + 3]) for k in range(0, len(parts), 3))
    updated, _ = advance(RULE, network, clipped(own, 0.5), begin(RULE, network))
    yield from (part for layer in updated for part in layer[:2])


@each_library
def test_a_step_of_training(library: Library) -> None:
    arrays, x, y = case(library)
    given = tuple(map(library.array, arrays))
    results = library.run(step, given, library.array(x), library.array(y))
    judgements = []
    for got, admitted in zip(results, admitted_step(library, results), strict=True):
        assert got.dtype == given[0].dtype
        judgements.append(compare("step", 0, plain(got), admitted))
    assert not any(j.wrong for j in judgements), judgements
    # Half precisions lose their digits on the way through three layers: loss, last layer and updates are decided.
    half = library.name.endswith("float16")
    decided = [j.undecided < j.elements for k, j in enumerate(judgements) if not half or k == 0 or k >= 8]
    assert all(decided), judgements


def test_a_step_under_torch_compile() -> None:
    """The whole step is one graph, without a break, and its numbers are those of the step that is not compiled."""
    library = _torch("float64")
    arrays, x, y = case(library)
    given = tuple(map(library.array, arrays))
    compiled = torch.compile(step, fullgraph=True, backend="aot_eager")
    results = compiled(given, library.array(x), library.array(y))
    for k, (got, admitted) in enumerate(zip(results, admitted_step(library, results), strict=True)):
        held(library, f"result {k}", got, admitted, given[0])


# --- Automatic differentiation through the text -----------------------------------------------------------------------

KINKS = (0.0, -0.0, 1.0, -1.0, 3.0, -3.0, 6.0, 0.5, -0.5, 20.0, 2.5, -0.25)
"""Where the activations have kinks with these parameters, and two ordinary numbers."""

Differentiated = Callable[[Callable[[Any], Any], Array, Array], Array]


def by_torch(f: Callable[[Any], Any], z: Array, g: Array) -> Array:
    leaf = torch.tensor(z, requires_grad=True)
    f(leaf).backward(torch.tensor(g))
    assert leaf.grad is not None
    return leaf.grad.numpy()


def by_jax(f: Callable[[Any], Any], z: Array, g: Array) -> Array:
    _, pullback = jax.vjp(f, jnp.asarray(z))
    return np.asarray(pullback(jnp.asarray(g))[0])


both = pytest.mark.parametrize("differentiated", [by_torch, by_jax])


@both
@pytest.mark.parametrize("sigma", [*SIGMAS, Hardtanh(-0.25, 2.5), Softshrink(3.0)], ids=repr)
def test_autograd_through_an_activation_stays_between_the_one_sided_derivatives(
    sigma: Activation, differentiated: Differentiated
) -> None:
    z = np.array(KINKS).reshape(4, 3)
    g = drawn(LIBRARIES[0], 4, 3)
    got = differentiated(sigma.apply, z, g)
    exact = [lifted(LIBRARIES[0], x) for x in (z, sigma.apply(z), g)]
    judgement = compare("D", 0, got, Widened(sigma, any_at_kinks=True).pullback(*exact))
    assert not judgement.wrong, judgement


@both
@pytest.mark.parametrize("loss", LOSSES_ASKED, ids=repr)
def test_autograd_through_a_loss_stays_between_the_one_sided_derivatives(
    loss: Loss, differentiated: Differentiated
) -> None:
    """With outputs at their targets, at the margin and at the threshold, where the losses have kinks."""
    low, _ = TARGETS.get(type(loss), (-np.inf, np.inf))
    if type(loss) in REQUIRED_HEAD:
        a = REQUIRED_HEAD[type(loss)]().apply(np.array([[0.5, 1.0, -0.5], [0.0, 0.0, 2.0]]))
        y = np.array([[1.0, 0, 0], [0.25, 0.5, 0.25]])
    else:
        a = np.array([[0.5, 1.0, -0.5], [-1.0, 0.0, 2.0]])
        y = abs(a) if low == 0 else np.array([[0.5, 1.0, -1.0], [-1.0, 0.5, 1.0]])
    c = np.array([1.5, -0.75])
    got = differentiated(lambda a: loss.value(a, torch.tensor(y) if isinstance(a, torch.Tensor) else y), a, c)
    exact = lifted(LIBRARIES[0], a), lifted(LIBRARIES[0], y)
    slope = WidenedLoss(loss, any_at_kinks=True).gradient(*exact)
    judgement = compare("G", 0, got, slope * lifted(LIBRARIES[0], c[:, None]))
    assert not judgement.wrong, judgement


# --- Nothing overflows in the other branch's place --------------------------------------------------------------------


STEEP: list[Activation] = [LeakyReLU(2.0), ELU(2.0), CELU(2.0), Hardtanh(-0.25, 2.5)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "sigma", [s for s in (*SIGMAS, *STEEP) if not isinstance(s, Softmax | LogSoftmax)], ids=repr
)
def test_numpy_is_silent_where_the_result_is_representable(sigma: Activation, dtype: str) -> None:
    """One element at a time, at the ends of the range of z and of g; warnings are errors."""
    largest = float(np.finfo(dtype).max)

    def representable(x: Array) -> bool:
        return abs(float(balls(x)[0, 0])) < 0.99 * largest

    for z in (largest, -largest, largest / 2, -largest / 2, 4.0, 1.0, 0.0, -1.0, -4.0):
        if isinstance(sigma, Softplus | CELU) and abs(z) > largest / 2:
            continue  # beta z and z / alpha
        number = np.array([[z]], dtype=dtype)
        truth = sigma.apply(balls(number))
        if representable(truth):
            assert np.isfinite(sigma.apply(number)).all(), z
        for g in (0.9 * largest, -0.9 * largest, 1.5):
            cotangent = np.array([[g]], dtype=dtype)
            if representable(truth) and representable(sigma.pullback(balls(number), truth, balls(cotangent))):
                assert np.isfinite(sigma.pullback(number, sigma.apply(number), cotangent)).all(), (z, g)


# --- What it brings ---------------------------------------------------------------------------------------------------


def test_import_brings_numpy_alone() -> None:
    """Also when it is used on NumPy's arrays; array libraries are the caller's own."""
    script = """
import sys
import numpy as np
import numpy.random
before = {name.partition(".")[0] for name in sys.modules}
import reference
network = (reference.Layer(np.ones((2, 3)), np.ones(2), reference.Softmax()),)
reference.value_and_gradients(network, np.ones((4, 3)), np.ones((4, 2)), reference.CrossEntropy(), "mean")
print(sorted({name.partition(".")[0] for name in sys.modules} - before - set(sys.stdlib_module_names)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['reference']"
