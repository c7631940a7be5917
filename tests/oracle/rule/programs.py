"""Right update rules in other arrangements than the reference's, by hand in NumPy and by JAX as optax has them."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from conformance.arrays import Array
from reference import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, NAdam, RAdam, RMSprop, Rule

Step = Callable[[Sequence[Array], Sequence[Array], Any], tuple[Any, Any]]
OfArray = Callable[..., tuple[Any, ...]]


def each(slots: int, one: OfArray) -> Step:
    """A step of all arrays from one of an array: ``one(t, p, g, *slots) -> p, *slots``; slots begin at 0."""

    def step(parameters: Sequence[Array], gradients: Sequence[Array], state: Any) -> tuple[Any, Any]:
        t, kept = state or (0, [[np.zeros_like(p)] * slots for p in parameters])
        made = [one(t + 1, p, g, *of) for p, g, of in zip(parameters, gradients, kept, strict=True)]
        return [p for p, *_ in made], (t + 1, [of for _, *of in made])

    return step


# --- By hand ----------------------------------------------------------------------------------------------------------


def folded_velocity(t: int, p: Array, g: Array, v: Array) -> tuple[Array, ...]:
    """The rate inside the velocity, as Sutskever has it."""
    v = 0.9 * v - 0.1 * g
    return p + v, v


def folded_nesterov(t: int, p: Array, g: Array, v: Array) -> tuple[Array, ...]:
    """As Keras: the velocity with its rate, looked ahead."""
    v = 0.9 * v - 0.1 * g
    return p + 0.9 * v - 0.1 * g, v


def nesterov_of_cs231n(t: int, p: Array, g: Array, v: Array) -> tuple[Array, ...]:
    before, v = v, 0.9 * v - 0.1 * g
    return p + (-0.9 * before + (1 + 0.9) * v), v


def adam_of_paper(t: int, p: Array, g: Array, m: Array, v: Array) -> tuple[Array, ...]:
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    return p - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8), m, v


def adam_folded(t: int, p: Array, g: Array, m: Array, v: Array) -> tuple[Array, ...]:
    """Both corrections in the rate, epsilon scaled so that it is the same; averages by differences."""
    m, v = m + (g - m) * 0.1, v + (g * g - v) * 0.001
    root = (1 - 0.999**t) ** 0.5
    return p - (0.01 * root / (1 - 0.9**t)) * m / (v**0.5 + 1e-8 * root), m, v


def adam_by_reciprocal(t: int, p: Array, g: Array, m: Array, v: Array) -> tuple[Array, ...]:
    """Everything in the arrays' own format."""
    n = p.dtype.type
    m, v = n(0.9) * m + (n(1) - n(0.9)) * g, n(0.999) * v + (n(1) - n(0.999)) * g * g
    c1, c2 = n(1) / (n(1) - n(0.9) ** n(t)), n(1) / (n(1) - n(0.999) ** n(t))
    return p - n(0.01) * (m * c1) * (n(1) / (np.sqrt(v * c2) + n(1e-8))), m, v


def adamw_at_once(t: int, p: Array, g: Array, m: Array, v: Array) -> tuple[Array, ...]:
    """The decay as a part of the step, as optax has it."""
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    step = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8) + 0.1 * p
    return p - 0.01 * step, m, v


def adagrad_at_once(t: int, p: Array, g: Array, s: Array) -> tuple[Array, ...]:
    s = s + g**2
    return p - 0.01 * g / (1e-10 + s**0.5), s


def rmsprop_folded(t: int, p: Array, g: Array, s: Array, v: Array) -> tuple[Array, ...]:
    """The rate inside the velocity."""
    s = s + 0.1 * (g * g - s)
    v = 0.9 * v + 0.01 * g / (np.sqrt(s) + 1e-8)
    return p - v, s, v


def rmsprop_centred(t: int, p: Array, g: Array, m: Array, s: Array) -> tuple[Array, ...]:
    m, s = m + 0.01 * (g - m), s + 0.01 * (g * g - s)
    return p - 0.01 * g / (np.sqrt(s - m**2) + 1e-8), m, s


def adamax_of_paper(t: int, p: Array, g: Array, m: Array, u: Array) -> tuple[Array, ...]:
    m, u = 0.9 * m + 0.1 * g, np.maximum(0.999 * u, np.abs(g) + 1e-8)
    return p - 0.002 / (1 - 0.9**t) * m / u, m, u


def adadelta_of_paper(t: int, p: Array, g: Array, s: Array, u: Array) -> tuple[Array, ...]:
    s = 0.9 * s + 0.1 * g**2
    d = -np.sqrt(u + 1e-6) / np.sqrt(s + 1e-6) * g
    return p + d, s, 0.9 * u + 0.1 * d**2


def nadam_of_dozat(t: int, p: Array, g: Array, m: Array, v: Array, log_product: Array) -> tuple[Array, ...]:
    """The gradient and the average corrected apart, then mixed; the product of momenta by its logarithm."""
    mu, after = (0.9 * (1 - 0.5 * 0.96 ** (s * 0.004)) for s in (t, t + 1))
    log_product = log_product + np.log(p.dtype.type(mu))
    product = np.exp(log_product)
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    mixed = (1 - mu) * (g / (1 - product)) + after * (m / (1 - product * after))
    return p - 0.002 * mixed / (np.sqrt(v / (1 - 0.999**t)) + 1e-8), m, v, log_product


def radam_of_paper(t: int, p: Array, g: Array, m: Array, v: Array) -> tuple[Array, ...]:
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
    limit = 2 / (1 - 0.999) - 1
    rho = limit - 2 * t * 0.999**t / (1 - 0.999**t)
    corrected = m / (1 - 0.9**t)
    if rho <= 5:
        return p - 0.001 * corrected, m, v
    r = ((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)) ** 0.5
    return p - 0.001 * r * corrected * ((1 - 0.999**t) ** 0.5 / (np.sqrt(v) + 1e-8)), m, v


BY_HAND: dict[str, tuple[Step, Rule]] = {
    "plain": (each(0, lambda t, p, g: (p - 0.1 * g,)), SGD(0.1)),
    "folded velocity": (each(1, folded_velocity), SGD(0.1, momentum=0.9)),
    "folded nesterov": (each(1, folded_nesterov), SGD(0.1, momentum=0.9, nesterov=True)),
    "nesterov of cs231n": (each(1, nesterov_of_cs231n), SGD(0.1, momentum=0.9, nesterov=True)),
    "adam of the paper": (each(2, adam_of_paper), Adam(0.01)),
    "adam folded": (each(2, adam_folded), Adam(0.01)),
    "adam by reciprocals": (each(2, adam_by_reciprocal), Adam(0.01)),
    "adamw at once": (each(2, adamw_at_once), AdamW(0.01, weight_decay=0.1)),
    "adagrad": (each(1, adagrad_at_once), Adagrad()),
    "rmsprop folded": (each(2, rmsprop_folded), RMSprop(alpha=0.9, momentum=0.9)),
    "rmsprop centred": (each(2, rmsprop_centred), RMSprop(centered=True)),
    "adamax": (each(2, adamax_of_paper), Adamax()),
    "adadelta": (each(2, adadelta_of_paper), Adadelta()),
    "nadam": (each(3, nadam_of_dozat), NAdam()),
    "radam": (each(2, radam_of_paper), RAdam()),
}


# --- As optax, in JAX -------------------------------------------------------------------------------------------------


def jitted(one: OfArray) -> OfArray:
    """Compiled, with t as a number of JAX's, so that corrections are computed in the format of the arrays."""
    compiled = jax.jit(one)

    def step(t: int, p: Array, *rest: Array) -> tuple[Any, ...]:
        with jax.enable_x64(p.dtype == np.float64):
            return tuple(np.asarray(x) for x in compiled(jnp.asarray(t, p.dtype), p, *rest))

    return step


def moment(g: Any, m: Any, decay: float, order: int) -> Any:
    return (1 - decay) * (g**order) + decay * m


def corrected(m: Any, decay: float, t: Any) -> Any:
    return m / (1 - decay**t)


def optax_trace(t: Any, p: Any, g: Any, v: Any) -> tuple[Any, ...]:
    v = g + 0.9 * v
    return p + -0.1 * (g + 0.9 * v), v


def optax_adam(t: Any, p: Any, g: Any, m: Any, v: Any) -> tuple[Any, ...]:
    m, v = moment(g, m, 0.9, 1), moment(g, v, 0.999, 2)
    return p + -0.01 * (corrected(m, 0.9, t) / (jnp.sqrt(corrected(v, 0.999, t) + 0.0) + 1e-8)), m, v


def optax_adamw(t: Any, p: Any, g: Any, m: Any, v: Any) -> tuple[Any, ...]:
    m, v = moment(g, m, 0.9, 1), moment(g, v, 0.999, 2)
    step = corrected(m, 0.9, t) / (jnp.sqrt(corrected(v, 0.999, t) + 0.0) + 1e-8)
    return p + -0.01 * (step + 0.1 * p), m, v


def optax_amsgrad(t: Any, p: Any, g: Any, m: Any, v: Any, most: Any) -> tuple[Any, ...]:
    m, v = moment(g, m, 0.9, 1), moment(g, v, 0.999, 2)
    most = jnp.maximum(most, corrected(v, 0.999, t))
    return p + -0.01 * (corrected(m, 0.9, t) / (jnp.sqrt(most + 0.0) + 1e-8)), m, v, most


def optax_nadam(t: Any, p: Any, g: Any, m: Any, v: Any) -> tuple[Any, ...]:
    m, v = moment(g, m, 0.9, 1), moment(g, v, 0.999, 2)
    mixed = 0.9 * corrected(m, 0.9, t + 1) + (1 - 0.9) * corrected(g, 0.9, t)
    return p + -0.01 * (mixed / (jnp.sqrt(corrected(v, 0.999, t) + 0.0) + 1e-8)), m, v


def optax_radam(t: Any, p: Any, g: Any, m: Any, v: Any) -> tuple[Any, ...]:
    m, v = moment(g, m, 0.9, 1), moment(g, v, 0.999, 2)
    limit = 2.0 / (1.0 - 0.999) - 1.0
    power = 0.999**t
    rho = limit - 2 * t * power / (1 - power)
    r = jnp.sqrt((rho - 4.0) * (rho - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * rho))
    mean = corrected(m, 0.9, t)
    step = jnp.where(rho >= 5.0, r * mean / (jnp.sqrt(corrected(v, 0.999, t) + 0.0) + 1e-8), mean)
    return p + -0.01 * step, m, v


def optax_rmsprop(t: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    s = moment(g, s, 0.9, 2)
    return p + -0.01 * (g * jax.lax.rsqrt(s + 1e-8)), s


def optax_adagrad(t: Any, p: Any, g: Any, s: Any) -> tuple[Any, ...]:
    """The sum begins at 0.1: the slot holds what came to it."""
    s = g**2 + s
    return p + -0.01 * (jax.lax.rsqrt(s + 0.1 + 1e-7) * g), s


def optax_adamax(t: Any, p: Any, g: Any, m: Any, u: Any) -> tuple[Any, ...]:
    m, u = moment(g, m, 0.9, 1), jnp.maximum(jnp.abs(g) + 1e-8, 0.999 * u)
    return p + -0.01 * (corrected(m, 0.9, t) / u), m, u


def optax_adadelta(t: Any, p: Any, g: Any, s: Any, u: Any) -> tuple[Any, ...]:
    s = moment(g, s, 0.9, 2)
    d = jnp.sqrt(u + 1e-6) / jnp.sqrt(s + 1e-6) * g
    return p + -1.0 * d, s, moment(d, u, 0.9, 2)


OPTAX: dict[str, tuple[Step, Rule, dict[str, str]]] = {
    "sgd": (each(1, jitted(optax_trace)), SGD(0.1, momentum=0.9, nesterov=True), {}),
    "adam": (each(2, jitted(optax_adam)), Adam(0.01), {}),
    "adamw": (each(2, jitted(optax_adamw)), AdamW(0.01, weight_decay=0.1), {}),
    "amsgrad": (each(3, jitted(optax_amsgrad)), Adam(0.01, amsgrad=True), {"amsgrad": "corrected"}),
    "nadam": (each(2, jitted(optax_nadam)), NAdam(0.01), {"momentum": "constant"}),
    "radam": (each(2, jitted(optax_radam)), RAdam(0.01), {"epsilon": "corrected"}),
    "rmsprop": (each(1, jitted(optax_rmsprop)), RMSprop(alpha=0.9), {"epsilon": "inside"}),
    "adagrad": (each(1, jitted(optax_adagrad)), Adagrad(eps=1e-7), {"epsilon": "inside", "initial": "0.1"}),
    "adamax": (each(2, jitted(optax_adamax)), Adamax(0.01), {}),
    "adadelta": (each(2, jitted(optax_adadelta)), Adadelta(), {}),
}
"""With what is to be declared of each."""
