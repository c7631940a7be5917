"""Update rules: what is done with a gradient, a labelled line each.

A rule is a frozen value.  For one array p of parameters with gradient g, ``start(p)`` gives its slots (the arrays that
the rule remembers) and ``step(p, g, slots, t, eta)`` the parameters and slots after step t = 1, 2, ...; `begin` and
`advance` do so for a whole network.  Nothing is changed in place: the state is a value that goes in and comes out.

Names, parameters and defaults are PyTorch's, but the learning rate, which is ``eta``.  It stands outside every
velocity, and epsilon outside every square root but Adadelta's.
"""

from dataclasses import dataclass
from functools import reduce
from typing import Any, Generic, NamedTuple, Protocol, TypeAlias

from .backpropagation import Gradients, Layer, Network
from .functions import Array, absolute, maximum, minimum, sqrt, where

__all__ = [
    "SGD", "UPDATES", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "RAdam", "RMSprop", "Rule",
    "State", "advance", "begin", "clipped",
]  # fmt: skip

Slots: TypeAlias = tuple[Array, ...]


class Rule(Protocol):
    """What `advance` needs of a rule, perhaps for arrays of one kind alone."""

    @property
    def eta(self) -> float:
        """The learning rate."""

    def start(self, p: Any) -> Slots[Any]:
        """The slots of an array of parameters before the first step."""

    def step(self, p: Any, g: Any, slots: Slots[Any], t: int, eta: float) -> tuple[Any, Slots[Any]]:
        """Parameters and slots after step t."""


class State(NamedTuple, Generic[Array]):
    """The rule's name, how many steps it took, and each layer's slots, of W and of b."""

    rule: str
    t: int
    slots: tuple[tuple[Slots[Array], Slots[Array]], ...]


def begin(rule: Rule, network: Network[Array]) -> State[Array]:
    """The state before the first step, in the network's dtype."""
    return State(type(rule).__name__, 0, tuple((rule.start(W), rule.start(b)) for W, b, _ in network))


def advance(
    rule: Rule, network: Network[Array], gradients: Gradients[Array], state: State[Array], eta: float | None = None
) -> tuple[Network[Array], State[Array]]:
    """Take one step of the rule: a new network and a new state, in the dtype of the arguments, in memory of their own.

    Parameters
    ----------
    rule, network, gradients
        The gradients are those of the network.
    state : State
        It comes from `begin`, or from the step before.
    eta : float, optional
        It stands in place of the rule's own learning rate, for a schedule.
    """
    t, eta = state.t + 1, rule.eta if eta is None else eta
    layers, slots = [], []
    for (W, b, sigma), (_, dW, db), (of_W, of_b) in zip(network, gradients, state.slots, strict=True):
        W, of_W = rule.step(W, dW, of_W, t, eta)
        b, of_b = rule.step(b, db, of_b, t, eta)
        layers.append(Layer(W, b, sigma))
        slots.append((of_W, of_b))
    return tuple(layers), state._replace(t=t, slots=tuple(slots))


def decayed(g: Array, p: Array, weight_decay: float) -> Array:
    """The gradient of the loss with half the weight decay times the squared parameters added to it."""
    return g + weight_decay * p if weight_decay else g     # (U3)  g + lambda w


def averaged(m: Array, x: Array, beta: float) -> Array:
    """The moving average after x."""
    return beta * m + (1 - beta) * x                       # (U4)  beta m + (1 - beta) x


def moments(m: Array, v: Array, g: Array, beta1: float, beta2: float) -> tuple[Array, Array]:
    """The moving averages (U4) of the gradient and of its square, after g."""
    return averaged(m, g, beta1), averaged(v, g * g, beta2)


def euclidean_norm(gradients: Gradients[Array]) -> Array:
    """The norm of the gradient by all weights and biases, a number of their dtype; no square on the way overflows."""
    parts = [p for _, W, b in gradients for p in (W, b)]
    largest = reduce(maximum, (absolute(p).max() for p in parts))
    scale = where(largest > 0, largest, 1)
    return scale * sqrt(sum(((p / scale) ** 2).sum() for p in parts))


def clipped(gradients: Gradients[Array], max_norm: float) -> Gradients[Array]:
    """All gradients, scaled down together to a Euclidean norm of ``max_norm`` at most."""
    norm = euclidean_norm(gradients)
    factor = minimum(max_norm / (norm + 1e-6), 1)          # (U22)  min(1, c / (|g| + 10^-6))
    return tuple(g._replace(W=g.W * factor, b=g.b * factor) for g in gradients)


@dataclass(frozen=True)
class SGD:
    """Gradient descent with momentum, dampening, Nesterov's look-ahead and weight decay (U3, U5, U6)."""

    eta: float
    momentum: float = 0
    dampening: float = 0
    weight_decay: float = 0
    nesterov: bool = False

    def start(self, p: Array) -> Slots[Array]:
        """The velocity, if there is momentum."""
        return (0 * p,) if self.momentum else ()

    def step(self, p: Array, g: Array, slots: Slots[Array], t: int, eta: float) -> tuple[Array, Slots[Array]]:
        g = decayed(g, p, self.weight_decay)
        if not self.momentum:
            return p - eta * g, ()
        (v,) = slots
        v = +g if t == 1 else self.momentum * v + (1 - self.dampening) * g  # (U5)  v <- mu v + (1 - tau) g, first g
        d = g + self.momentum * v if self.nesterov else v
        return p - eta * d, (v,)                           # (U6)  w <- w - eta v, or w - eta (g + mu v)


@dataclass(frozen=True)
class Adagrad:
    """Steps divided by the root of the sum of squared gradients (U7, U8)."""

    eta: float = 0.01
    lr_decay: float = 0
    weight_decay: float = 0
    eps: float = 1e-10

    def start(self, p: Array) -> Slots[Array]:
        """The sum of the squares."""
        return (0 * p,)

    def step(self, p: Array, g: Array, slots: Slots[Array], t: int, eta: float) -> tuple[Array, Slots[Array]]:
        g = decayed(g, p, self.weight_decay)
        (s,) = slots
        s = s + g * g                                      # (U7)  s <- s + g^2
        rate = eta / (1 + (t - 1) * self.lr_decay)
        return p - rate * (g / (sqrt(s) + self.eps)), (s,)  # (U8)  w <- w - rate g / (sqrt s + eps)


@dataclass(frozen=True)
class RMSprop:
    """Steps divided by the root of an average of squared gradients, or of their variance (U4, U9, U10).

    Where the gradient hardly changes, roundings may make the variance negative and its root NaN, as in PyTorch.
    """

    eta: float = 0.01
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0
    momentum: float = 0
    centered: bool = False

    def start(self, p: Array) -> Slots[Array]:
        """The averages of g and of g^2, and the velocity."""
        return 0 * p, 0 * p, 0 * p

    def step(self, p: Array, g: Array, slots: Slots[Array], t: int, eta: float) -> tuple[Array, Slots[Array]]:
        g = decayed(g, p, self.weight_decay)
        m, s, v = slots
        s = averaged(s, g * g, self.alpha)
        m = averaged(m, g, self.alpha) if self.centered else m
        variance = s - m * m if self.centered else s
        d = g / (sqrt(variance) + self.eps)                # (U9)  d = g / (sqrt(s - m^2) + eps), m = 0 if not centred
        v = self.momentum * v + d                          # (U10)  v <- mu v + d, w <- w - eta v
        return p - eta * v, (m, s, v)


@dataclass(frozen=True)
class Adam:
    """Averages of the gradient and of its square, corrected for their start at 0 (U4, U11, U12)."""

    eta: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0
    amsgrad: bool = False

    def start(self, p: Array) -> Slots[Array]:
        """The averages of g and of g^2, and the largest of the latter."""
        return 0 * p, 0 * p, 0 * p

    def step(self, p: Array, g: Array, slots: Slots[Array], t: int, eta: float) -> tuple[Array, Slots[Array]]:
        g = decayed(g, p, self.weight_decay)
        m, v, largest = slots
        m, v = moments(m, v, g, self.beta1, self.beta2)
        largest = maximum(largest, v) if self.amsgrad else v  # (U12)  amsgrad: v is the largest so far
        root = sqrt(largest) / (1 - self.beta2**t) ** 0.5
        rate = eta / (1 - self.beta1**t)
        return p - rate * (m / (root + self.eps)), (m, v, largest)  # (U11)  w <- w - eta m^ / (sqrt v^ + eps)


@dataclass(frozen=True)
class AdamW:
    """Adam with the weight decay applied to the weights, not to the gradient (U13, U11)."""

    eta: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.01
    amsgrad: bool = False

    def start(self, p: Array) -> Slots[Array]:
        """The slots of Adam."""
        return Adam().start(p)

    def step(self, p: Array, g: Array, slots: Slots[Array], t: int, eta: float) -> tuple[Array, Slots[Array]]:
        p = p * (1 - eta * self.weight_decay)              # (U13)  w <- w (1 - eta lambda), then (U11)
        return Adam(eta, self.beta1, self.beta2, self.eps, 0, self.amsgrad).step(p, g, slots, t, eta)


@dataclass(frozen=True)
class Adamax:
    """Adam with a decaying maximum for the average of squares (U14, U15)."""

    eta: float = 0.002
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0

    def start(self, p: Array) -> Slots[Array]:
        """The average of g, and the maximum."""
        return 0 * p, 0 * p

    def step(self, p: Array, g: Array, slots: Slots[Array], t: int, eta: float) -> tuple[Array, Slots[Array]]:
        g = decayed(g, p, self.weight_decay)
        m, u = slots
        m = averaged(m, g, self.beta1)
        u = maximum(self.beta2 * u, absolute(g) + self.eps)  # (U14)  u <- max(beta_2 u, |g| + eps)
        rate = eta / (1 - self.beta1**t)
        return p - rate * (m / u), (m, u)                  # (U15)  w <- w - eta / (1 - beta_1^t) m / u


@dataclass(frozen=True)
class NAdam:
    """Adam with Nesterov's look-ahead and a warming momentum (U16, U17)."""

    eta: float = 0.002
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0
    momentum_decay: float = 0.004

    def start(self, p: Array) -> Slots[Array]:
        """The averages of g and of g^2, and the product of all momenta."""
        return 0 * p, 0 * p, 1 + 0 * p

    def momentum(self, t: int) -> float:
        """The momentum of step t."""
        faded: float = 0.96 ** (t * self.momentum_decay)
        return self.beta1 * (1 - faded / 2)                # (U16)  mu_t = beta_1 (1 - 0.96^(t psi) / 2)

    def step(self, p: Array, g: Array, slots: Slots[Array], t: int, eta: float) -> tuple[Array, Slots[Array]]:
        g = decayed(g, p, self.weight_decay)
        m, v, product = slots
        m, v = moments(m, v, g, self.beta1, self.beta2)
        now, after = self.momentum(t), self.momentum(t + 1)
        product = product * now
        root = sqrt(v / (1 - self.beta2**t)) + self.eps
        by_g, by_m = eta * (1 - now) / (1 - product), eta * after / (1 - product * after)
        p = p - by_g * (g / root) - by_m * (m / root)      # (U17)  w <- w - eta (c_g g + c_m m) / (sqrt v^ + eps)
        return p, (m, v, product)


@dataclass(frozen=True)
class RAdam:
    """Adam whose first steps, before the average of squares is known, are plain momentum (U18, U19)."""

    eta: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0

    def start(self, p: Array) -> Slots[Array]:
        """The averages of g and of g^2."""
        return 0 * p, 0 * p

    def rectification(self, t: int) -> float:
        """The factor of the adaptive step, 0 before it can be estimated."""
        limit = 2 / (1 - self.beta2) - 1
        rho = limit - 2 * t * self.beta2**t / (1 - self.beta2**t)
        if rho <= 5:
            return 0
        ratio: float = (rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)
        return float(ratio**0.5)                           # (U18)  r_t = sqrt(ratio) if rho_t > 5, else 0

    def step(self, p: Array, g: Array, slots: Slots[Array], t: int, eta: float) -> tuple[Array, Slots[Array]]:
        g = decayed(g, p, self.weight_decay)
        m, v = slots
        m, v = moments(m, v, g, self.beta1, self.beta2)
        rate, r = eta / (1 - self.beta1**t), self.rectification(t)
        d = m * (r * (1 - self.beta2**t) ** 0.5) / (sqrt(v) + self.eps) if r else m
        return p - rate * d, (m, v)                        # (U19)  w <- w - eta r_t m^ / sqrt v^, or w - eta m^


@dataclass(frozen=True)
class Adadelta:
    """Steps in the units of the parameters: the ratio of two averages (U20, U21)."""

    eta: float = 1
    rho: float = 0.9
    eps: float = 1e-6
    weight_decay: float = 0

    def start(self, p: Array) -> Slots[Array]:
        """The averages of g^2 and of the squared steps."""
        return 0 * p, 0 * p

    def step(self, p: Array, g: Array, slots: Slots[Array], t: int, eta: float) -> tuple[Array, Slots[Array]]:
        g = decayed(g, p, self.weight_decay)
        s, u = slots
        s = averaged(s, g * g, self.rho)
        d = sqrt(u + self.eps) / sqrt(s + self.eps) * g    # (U20)  d = sqrt(u + eps) / sqrt(s + eps) g
        u = averaged(u, d * d, self.rho)
        return p - eta * d, (s, u)                         # (U21)  w <- w - eta d


UPDATES: dict[str, type[Rule]] = {
    "sgd": SGD,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
    "adamax": Adamax,
    "nadam": NAdam,
    "radam": RAdam,
    "adadelta": Adadelta,
}
"""The update rules by their names in EQUATIONS.md."""
