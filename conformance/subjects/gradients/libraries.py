"""Other libraries' ways to a gradient: JAX, HIPS autograd, MyGrad and tinygrad.

Each is imported when it is asked.  The reference's text runs on JAX's arrays as it is; for the others its dispatch
(`reference.functions`) is told which module has their functions.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

import reference

from ...problems.problem import Problem
from ...text.edits import Edit, altered, loaded, planted
from ...text.labels import modules
from ..routes import off_the_kink_of_l1
from .route import Gradients, Kind, Route, arrays, kind, value


def _pairs(problem: Problem, array: Callable[[Any], Any]) -> tuple[Any, Any, Any]:
    parameters = tuple((array(W), array(b)) for W, b, _ in problem.network)
    return parameters, array(problem.x), array(problem.y)


# --- JAX -------------------------------------------------------------------------------------------------------------


Transform = Callable[[Any, Any, Kind], Any]
"""From JAX, a loss as a function of parameters, x and y, and what it is, to the gradient in the parameters."""


@lru_cache(maxsize=4)
def _compiled(transform: Transform, of: Kind, text: Callable[[], ModuleType]) -> Any:
    import jax

    return jax.jit(transform(jax, lambda parameters, x, y: value(of, parameters, x, y, text()), of))


def in_jax(transform: Transform, text: Callable[[], ModuleType] = lambda: reference) -> Callable[[Problem], Gradients]:
    """A gradient by a transform of JAX, compiled."""

    def gradients(problem: Problem) -> Gradients:
        import jax

        with jax.enable_x64(True):
            of = _pairs(problem, jax.numpy.asarray)
            return arrays(jax.tree.map(np.asarray, _compiled(transform, kind(problem), text)(*of)))

    return gradients


def one_by_one(problem: Problem) -> Gradients:
    """``jax.grad``, each operation dispatched by itself."""
    import jax

    with jax.enable_x64(True):
        parameters, x, y = _pairs(problem, jax.numpy.asarray)
        found = jax.grad(lambda of: value(kind(problem), of, x, y))(parameters)
        return arrays(jax.tree.map(np.asarray, found))


def _of_samples(jax: Any, loss: Any, of: Kind) -> Any:
    """``vmap(grad)``, then the sum or the mean."""
    added = jax.numpy.mean if of.reduction == "mean" else jax.numpy.sum
    each = jax.vmap(jax.grad(lambda parameters, x, y: loss(parameters, x[None], y[None])), in_axes=(None, 0, 0))
    return lambda *batch: jax.tree.map(lambda part: added(part, axis=0), each(*batch))


def _scaled(jax: Any, loss: Any, of: Kind) -> Any:
    """A loss scale of 1000."""
    scaled = jax.grad(lambda *batch: 1000 * loss(*batch))
    return lambda *batch: jax.tree.map(lambda part: part / 1000, scaled(*batch))


def _linearised(jax: Any, loss: Any, of: Kind) -> Any:
    """``linearize``, and then the transpose of that linear function."""

    def gradients(parameters: Any, x: Any, y: Any) -> Any:
        primal, tangent = jax.linearize(lambda these: loss(these, x, y), parameters)
        (found,) = jax.linear_transpose(tangent, parameters)(jax.numpy.ones_like(primal))
        return found

    return gradients


JAX_NN: dict[str, str] = {
    "Sigmoid.apply": "nn.sigmoid(z)",
    "Tanh.apply": "jnp.tanh(z)",
    "ReLU.apply": "nn.relu(z)",
    "LeakyReLU.apply": "nn.leaky_relu(z, self.negative_slope)",
    "ELU.apply": "nn.elu(z, self.alpha)",
    "Softmax.apply": "nn.softmax(z, axis=1)",
    "LogSoftmax.apply": "nn.log_softmax(z, axis=1)",
    "SELU.apply": "nn.selu(z)",
    "CELU.apply": "nn.celu(z, self.alpha)",
    "GELU.apply": "nn.gelu(z, approximate=False)",
    "GELUTanh.apply": "nn.gelu(z, approximate=True)",
    "SiLU.apply": "nn.silu(z)",
    "Mish.apply": "nn.mish(z)",
    "Softsign.apply": "nn.soft_sign(z)",
    "ReLU6.apply": "nn.relu6(z)",
    "Hardsigmoid.apply": "nn.hard_sigmoid(z)",
    "Hardswish.apply": "nn.hard_swish(z)",
    "LogSigmoid.apply": "nn.log_sigmoid(z)",
}
"""What `jax.nn` has under the document's names."""


@cache
def with_jax_nn() -> ModuleType:
    """The text with `jax.nn`'s activations."""
    return planted(*(Edit(place, of, "from jax import nn, numpy as jnp") for place, of in JAX_NN.items()))


# --- HIPS autograd, MyGrad and tinygrad ------------------------------------------------------------------------------


def _text(imports: str, tensor: str, library: str, keepdims: str = "keepdims") -> ModuleType:
    """The text for another library's arrays, whose functions a module or namespace has; some lack a unary plus."""
    told = f"""
{imports}
_of_others = _library
def _library(x):
    return {library} if isinstance(x, {tensor}) else _of_others(x)
"""
    texts = {**modules(), **altered(Edit("A1", "1 * z"))}
    texts["functions"] += told
    return loaded({module: texts[module].replace("keepdims", keepdims) for module in TEXTS})


TEXTS = ("activations", "functions", "losses")
"""The modules of the text in which numbers are computed with functions and methods."""


@cache
def for_autograd() -> ModuleType:
    """The text for HIPS autograd's boxes."""
    imports = """
from types import SimpleNamespace
import autograd.numpy, autograd.scipy.special
from autograd.tracer import Box
OURS = SimpleNamespace(**vars(autograd.numpy) | {"erfc": autograd.scipy.special.erfc})
"""
    return _text(imports, "Box", "OURS")


def autograd(problem: Problem) -> Gradients:
    """``autograd.grad`` through the text."""
    parameters, x, y = _pairs(problem, np.array)
    return arrays(import_module("autograd").grad(lambda of: value(kind(problem), of, x, y, for_autograd()))(parameters))


@cache
def for_mygrad() -> ModuleType:
    """The text for MyGrad's tensors."""
    return _text("import mygrad", "mygrad.Tensor", "mygrad")


def mygrad(problem: Problem) -> Gradients:
    """``backward`` of a MyGrad tensor, through the text."""
    tensor = import_module("mygrad").tensor
    parameters, _, _ = _pairs(problem, lambda array: tensor(array, copy=True))
    value(kind(problem), parameters, problem.x, problem.y, for_mygrad()).backward()
    return arrays((W.grad, b.grad) for W, b in parameters)


def without_erfc(problem: Problem) -> bool:
    """MyGrad and tinygrad have no erfc."""
    return not any(isinstance(sigma, reference.GELU) for _, _, sigma in problem.network)


@cache
def for_tinygrad() -> ModuleType:
    """The text for tinygrad's tensors, whose ``keepdim`` has no s."""
    imports = """
from types import SimpleNamespace
from tinygrad import Tensor
OURS = SimpleNamespace(
    exp=Tensor.exp, log=Tensor.log, tanh=Tensor.tanh, sqrt=Tensor.sqrt, max=Tensor.max, where=Tensor.where,
    expm1=lambda x: x.exp() - 1, log1p=lambda x: (1 + x).log(),
    asarray=lambda numbers, dtype, device: Tensor(list(numbers), dtype=dtype, device=device),
)
"""
    return _text(imports, "Tensor", "OURS", keepdims="keepdim")


def tinygrad(problem: Problem) -> Gradients:
    """``Tensor.gradient``, on the device that interprets each operation in Python and needs no compiler."""
    library = import_module("tinygrad")
    with library.Context(DEV="PYTHON"):
        parameters, x, y = _pairs(problem, library.Tensor)
        loss = value(kind(problem), parameters, x, y, for_tinygrad())
        found = loss.gradient(*(part for layer in parameters for part in layer))
        numbers = [part.numpy() for part in found]
    return arrays(zip(numbers[::2], numbers[1::2], strict=True))


def _jax(name: str, says: str, transform: Transform, recursive: bool = True, **text: Any) -> Route:
    gradients = in_jax(transform, **text)
    return Route(f"jax-{name}", gradients, says, recursive, off_the_kink_of_l1, needs=("jax",), compiles=True)


LIBRARIES = (
    Route(
        "jax-grad", one_by_one, "jax.grad of the text", applies=off_the_kink_of_l1,
        needs=("jax",), slow=True, compiles=True,
    ),
    _jax("jit", "jax.jit of that", lambda jax, loss, of: jax.grad(loss)),
    _jax("jacfwd", "jax.jacfwd of the text", lambda jax, loss, of: jax.jacfwd(loss), recursive=False),
    _jax("jacrev", "jax.jacrev of the text", lambda jax, loss, of: jax.jacrev(loss)),
    _jax("vmap", "jax.vmap(jax.grad), a gradient a sample", _of_samples),
    _jax("checkpoint", "jax.checkpoint", lambda jax, loss, of: jax.grad(jax.checkpoint(loss))),
    _jax("linearised", "jax.linearize and the transpose of that", _linearised),
    _jax("loss-scale-1000", "the loss times 1000", _scaled, recursive=False),
    _jax("nn", "jax.nn's activations", lambda jax, loss, of: jax.grad(loss), text=with_jax_nn),
    Route("autograd", autograd, "HIPS autograd's grad of the text", applies=off_the_kink_of_l1, needs=("autograd",)),
    Route(
        "mygrad", mygrad, "MyGrad's backward through the text",
        applies=lambda problem: without_erfc(problem) and off_the_kink_of_l1(problem), needs=("mygrad",),
    ),
    Route(
        "tinygrad", tinygrad, "tinygrad's gradient through the text, interpreted",
        applies=lambda problem: without_erfc(problem) and off_the_kink_of_l1(problem), needs=("tinygrad",),
        compiles=True,
    ),
)  # fmt: skip
"""Those of other libraries."""
