"""What people get wrong in an update rule, and what they do otherwise on purpose: a row each.

A mistake is the reference's text with edits (`conformance.text.edits`), or a program around the rule.  A row that has a
convention is right where that is declared, and then takes the documented text's place.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from reference import Rule

from ...subjects.faults import UPDATE_FAULTS
from ...text.edits import Edit
from . import programs
from .programs import Program, plain


class Mistake(NamedTuple):
    """A mistake: its name, the equation that it violates, what it is in a person's words, and how it comes about.

    That is by edits of the text, by a program around the rule, or by other ``parameters``.

    ``label`` is "" where it violates the line of the step.  ``convention`` is the name and value that declare it.
    """

    name: str
    label: str
    said: str
    edits: tuple[Edit, ...] = ()
    program: Callable[[Rule], Program] = plain
    convention: tuple[str, str] | None = None
    parameters: Mapping[str, float] = MappingProxyType({})


_FAULTS = {fault.name: fault for fault in UPDATE_FAULTS}


def _edit(name: str, place: str, expression: str, said: str, convention: tuple[str, str] | None = None) -> Mistake:
    return Mistake(name, place, said, (Edit(place, expression),), convention=convention)


def _known(name: str, said: str, convention: tuple[str, str] | None = None) -> Mistake:
    (edit,) = _FAULTS[name].edits
    return Mistake(name, edit.place, said, (edit,), convention=convention)


INSIDE = ("epsilon", "inside")
SCALED = ("epsilon", "scaled")

ADAM = (
    _known("adam-epsilon-inside", "epsilon stands inside the square root", INSIDE),
    _known(
        "adam-epsilon-scaled",
        "epsilon is scaled by the correction: it is added to sqrt v, not to sqrt v^, as in the formula before section "
        "2.1 of Adam's paper and in Keras",
        SCALED,
    ),
    _known("adam-uncorrected", "neither average is corrected for its start at 0"),
    _edit(
        "second-uncorrected", "U11", "p - rate * (m / (sqrt(largest) + self.eps)), (m, v, largest)",
        "the average of squares is not corrected for its start at 0; the other is",
    ),
    _edit(
        "first-uncorrected", "U11", "p - eta * (m / (root + self.eps)), (m, v, largest)",
        "the average of gradients is not corrected for its start at 0; that of squares is",
    ),
    _edit(
        "corrected-twice", "U11",
        "p - rate / (1 - self.beta1**t) * (m / (root / (1 - self.beta2**t) ** 0.5 + self.eps)), (m, v, largest)",
        "both averages are corrected twice",
    ),
    _edit(
        "corrected-averages-kept", "U11",
        "p - rate * (m / (root + self.eps)), (m / (1 - self.beta1**t), v / (1 - self.beta2**t), largest)",
        "the corrected averages are kept for the next step, and corrected again",
    ),
    _edit(
        "root-missing", "U11",
        "p - rate * (m / (largest / (1 - self.beta2**t) + self.eps)), (m, v, largest)",
        "the square root is missing",
    ),
    _edit(
        "second-used-before-update", "U11",
        "p - rate * (m / (sqrt(slots[1]) / (1 - self.beta2**t) ** 0.5 + self.eps)), (m, v, largest)",
        "the average of squares is used before this step's gradient has joined it",
    ),
    _edit(
        "first-used-before-update", "U11", "p - rate * (slots[0] / (root + self.eps)), (m, v, largest)",
        "the average of gradients is used before this step's gradient has joined it",
    ),
    _edit(
        "gradient-for-average", "U11", "p - rate * (g / (root + self.eps)), (m, v, largest)",
        "the gradient stands where its average should",
    ),
    _edit(
        "amsgrad-ignored", "U12", "+v", "amsgrad is ignored: the average of squares is taken, not its largest so far",
    ),
    Mistake(
        "amsgrad-of-corrected", "U12", "amsgrad takes the largest of the corrected averages, as optax does",
        (
            Edit("U12", "maximum(largest, v / (1 - self.beta2**t)) if self.amsgrad else v / (1 - self.beta2**t)"),
            Edit("U11", "p - rate * (m / (sqrt(largest) + self.eps)), (m, v, largest)"),
        ),
        convention=("amsgrad", "corrected"),
    ),
    Mistake(
        "amsgrad-unasked", "U12", "amsgrad is applied, which nobody asked for",
        (Edit("U12", "maximum(largest, v)"),),
    ),
)

AVERAGES = (
    _edit("weights-swapped", "U4", "(1 - beta) * m + beta * x", "beta and 1 - beta are swapped in the averages"),
    _edit("average-is-sum", "U4", "beta * m + x", "the averages lack the factor 1 - beta"),
)

SQUARES = (
    _edit(
        "square-missing", "moments", "averaged(m, g, beta1), averaged(v, maximum(g, -g), beta2)",
        "the second average is of |g|, not of g^2",
    ),
    _edit(
        "betas-exchanged", "moments", "averaged(m, g, beta2), averaged(v, g * g, beta1)",
        "the averages have each other's beta, though the corrections are right",
    ),
)

_ADAM = "Adam(eta, self.beta1, self.beta2, self.eps, 0, self.amsgrad).step(p, g, slots, t, eta)"
_ADAM_OF_DECAYED = _ADAM.replace("p, g,", "p, g + self.weight_decay * p,")
_ADAM_THEN_DECAY = f"(lambda q: (q[0] * (1 - eta * self.weight_decay), q[1]))({_ADAM})"

ROWS: Mapping[str, tuple[Mistake, ...]] = {
    "SGD": (
        _known("nesterov-variant", "Nesterov's look-ahead is applied to the velocity, not to the gradient"),
        _known("momentum-convention", "the learning rate stands inside the velocity and outside of it: eta squared"),
        _edit("nesterov-ignored", "U6", "p - eta * v, (v,)", "Nesterov's look-ahead is missing"),
        _edit(
            "nesterov-unasked", "U6", "p - eta * (g + self.momentum * v), (v,)",
            "Nesterov's look-ahead is applied, which nobody asked for",
        ),
        _edit(
            "nesterov-with-old-velocity", "U6", "p - eta * (g + self.momentum * (slots[0] if t > 1 else v)), (v,)",
            "Nesterov's look-ahead uses the velocity from before the step",
        ),
        _edit("velocity-unused", "U6", "p - eta * g, (v,)", "the velocity is not used: the step is the plain one"),
        _edit(
            "velocity-used-before-update", "U6", "p - eta * slots[0], (v,)",
            "the velocity is used before this step's gradient has joined it",
        ),
        _edit(
            "velocity-is-average", "U5", "self.momentum * v + (1 - self.momentum) * g",
            "the velocity is an average: its gradient has the factor 1 - mu",
        ),
        _edit(
            "velocity-is-average-from-first", "U5",
            "+g if t == 1 else self.momentum * v + (1 - self.momentum) * g",
            "the velocity is an average from the first gradient on: later ones have the factor 1 - mu",
        ),
        _edit("dampening-ignored", "U5", "+g if t == 1 else self.momentum * v + g", "dampening is ignored"),
        _edit(
            "first-dampened", "U5", "self.momentum * v + (1 - self.dampening) * g",
            "the velocity starts from 0, so that the first gradient is dampened too", ("first", "dampened"),
        ),
        _edit(
            "dampening-inverted", "U5", "+g if t == 1 else self.momentum * v + self.dampening * g",
            "the gradient has the factor tau, not 1 - tau",
        ),
        _edit(
            "first-gradient-lost", "U5", "self.momentum * v + (0 * g if t == 1 else (1 - self.dampening) * g)",
            "the first gradient never joins the velocity",
        ),
        _edit(
            "velocity-sign", "U5", "+g if t == 1 else (1 - self.dampening) * g - self.momentum * v",
            "momentum has the wrong sign",
        ),
    ),
    "Adagrad": (
        _edit("epsilon-inside", "U8", "p - rate * (g / sqrt(s + self.eps)), (s,)",
              "epsilon stands inside the square root", INSIDE),
        _edit("root-missing", "U8", "p - rate * (g / (s + self.eps)), (s,)", "the square root is missing"),
        _edit("square-missing", "U7", "s + maximum(g, -g)", "the sum is of |g|, not of g^2"),
        _edit("sum-forgotten", "U7", "g * g", "the squares are not added up: each step has its own alone"),
        _edit("sum-is-average", "U7", "0.9 * s + 0.1 * g * g",
              "an average of the squares, as RMSprop's, stands for their sum"),
        _edit("sum-used-before-update", "U8", "p - rate * (g / (sqrt(slots[0]) + self.eps)), (s,)",
              "the sum of squares is used before this step's gradient has joined it"),
        _edit("decay-of-rate-ignored", "U8", "p - eta * (g / (sqrt(s) + self.eps)), (s,)", "lr_decay is ignored"),
        _edit("decay-of-rate-early", "U8", "p - eta / (1 + t * self.lr_decay) * (g / (sqrt(s) + self.eps)), (s,)",
              "lr_decay is one step early: t for t - 1"),
        Mistake("starts-at-tenth", "U7", "the sum of squares starts at 0.1, as in Keras and optax",
                (Edit("Adagrad.start", "(0 * p + 0.1,)"),), convention=("initial", "0.1")),
    ),
    "RMSprop": (
        _edit("epsilon-inside", "U9", "g / sqrt(variance + self.eps)", "epsilon stands inside the square root", INSIDE),
        _edit("root-missing", "U9", "g / (variance + self.eps)", "the square root is missing"),
        _edit("average-used-before-update", "U9", "g / (sqrt(slots[1]) + self.eps)",
              "the average of squares is used before this step's gradient has joined it"),
        _edit("average-corrected", "U9", "g / (sqrt(variance / (1 - self.alpha**t)) + self.eps)",
              "the average is corrected for its start at 0, as Adam's is", ("correction", "yes")),
        _edit("centring-ignored", "U9", "g / (sqrt(s) + self.eps)", "the mean is not subtracted: centered is ignored"),
        _edit("mean-not-squared", "U9", "g / (sqrt(s - m) + self.eps)", "the mean is subtracted, not its square"),
        _edit("momentum-ignored", "U10", "+d", "momentum is ignored"),
        _edit("velocity-is-average", "U10", "self.momentum * v + (1 - self.momentum) * d",
              "the velocity is an average: the step has the factor 1 - mu"),
        _edit("rate-in-velocity-too", "U10", "self.momentum * v + eta * d",
              "the learning rate stands inside the velocity and outside of it: eta squared"),
        Mistake("squares-are-sum", "U4", "the squares are added up, as Adagrad does, not averaged",
                (Edit("U4", "m + x"),)),
    ),
    "Adam": ADAM,
    "AdamW": (
        *ADAM,
        Mistake("decay-after-step", "U13", "the weights decay after the step, not before it",
                (Edit("U13", "+p"), Edit("AdamW.step", _ADAM_THEN_DECAY))),
        _edit("decay-without-rate", "U13", "p * (1 - self.weight_decay)", "the decay lacks the learning rate"),
        _edit("decay-sign", "U13", "p * (1 + eta * self.weight_decay)", "the weights grow: the decay's sign"),
        _edit("decay-missing", "U13", "+p", "the weights do not decay"),
        _edit("decay-doubled", "U13", "p * (1 - 2 * eta * self.weight_decay)", "2 lambda for lambda"),
        Mistake("decay-coupled", "U13", "the decay joins the gradient, as in Adam, not the weights",
                (Edit("U13", "+p"), Edit("AdamW.step", _ADAM_OF_DECAYED))),
    ),
    "Adamax": (
        _edit("maximum-missing", "U14", "averaged(u, maximum(g, -g), self.beta2)",
              "the maximum is missing: an average of |g| stands in its place"),
        _edit("maximum-is-square", "U14", "averaged(u, g * g, self.beta2)",
              "an average of g^2, as Adam's, stands in place of the maximum"),
        _edit("maximum-does-not-decay", "U14", "maximum(u, maximum(g, -g) + self.eps)",
              "the maximum does not decay by beta_2"),
        _edit("maximum-of-now-alone", "U14", "maximum(g, -g) + self.eps", "the maximum forgets all steps before"),
        _edit("maximum-signed", "U14", "maximum(self.beta2 * u, g + self.eps)", "the maximum is of g, not of |g|"),
        _edit("maximum-used-before-update", "U15", "p - rate * (m / (slots[1] + self.eps)), (m, u)",
              "the maximum is used before this step's gradient has joined it"),
        Mistake("epsilon-outside", "U15", "epsilon is added to the maximum, not to |g| in it, as in Keras",
                (Edit("U14", "maximum(self.beta2 * u, maximum(g, -g))"),
                 Edit("U15", "p - rate * (m / (u + self.eps)), (m, u)")),
                convention=("epsilon", "outside")),
        _edit("first-uncorrected", "U15", "p - eta * (m / u), (m, u)",
              "the average is not corrected for its start at 0"),
        _edit("maximum-corrected-too", "U15", "p - rate * (m / (u / (1 - self.beta2**t))), (m, u)",
              "the maximum is corrected too, which starts nowhere"),
        _edit("root-of-maximum", "U15", "p - rate * (m / sqrt(u)), (m, u)", "the square root of the maximum is taken"),
    ),
    "NAdam": (
        _edit("epsilon-inside", "U17",
              "p - (by_g * g + by_m * m) / sqrt(v / (1 - self.beta2**t) + self.eps)",
              "epsilon stands inside the square root", INSIDE),
        _edit("epsilon-scaled", "U17",
              "p - (by_g * g + by_m * m) * (1 - self.beta2**t) ** 0.5 / (sqrt(v) + self.eps)",
              "epsilon is scaled by the correction", SCALED),
        _edit("momentum-constant", "U16", "self.beta1",
              "the momentum does not warm up: beta_1 in every step, as in optax", ("momentum", "constant")),
        _edit("momentum-late", "U16", "self.beta1 * (1 - 0.96 ** ((t - 1) * self.momentum_decay) / 2)",
              "the momentum's schedule is one step late"),
        _edit("momentum-decay-ignored", "U16", "self.beta1 * (1 - 0.96**t / 2)",
              "the momentum's schedule lacks psi, as in Keras", ("momentum", "without psi")),
        _edit("momentum-not-halved", "U16", "self.beta1 * (1 - faded)", "the momentum's schedule lacks the 1/2"),
        _edit("next-momentum-missing", "U17",
              "p - by_g * (g / root) - eta * now / (1 - product * now) * (m / root)",
              "this step's momentum stands where the next one's should"),
        _edit("product-missing", "U17",
              "p - eta * (1 - now) / (1 - now) * (g / root) - eta * after / (1 - now * after) * (m / root)",
              "the momenta are not multiplied up: this step's alone corrects"),
        _edit("second-uncorrected", "U17", "p - (by_g * g + by_m * m) / (sqrt(v) + self.eps)",
              "the average of squares is not corrected for its start at 0"),
        _edit("first-uncorrected", "U17", "p - eta * ((1 - now) * g + after * m) / root",
              "gradient and average are not corrected for the average's start at 0"),
        _edit("look-ahead-missing", "U17", "p - eta / (1 - product) * (m / root)",
              "Nesterov's look-ahead is missing: the average alone"),
        _edit("root-missing", "U17", "p - (by_g * g + by_m * m) / (v / (1 - self.beta2**t) + self.eps)",
              "the square root is missing"),
    ),
    "RAdam": (
        _edit("epsilon-corrected", "U19",
              "p - rate * (m * r / (sqrt(v) / (1 - self.beta2**t) ** 0.5 + self.eps) if r else m), (m, v)",
              "epsilon is added to sqrt v^, not to sqrt v, as in optax", ("epsilon", "corrected")),
        _edit("rectification-missing", "U18", "float(1 + 0 * ratio)",
              "the rectification is missing: Adam's steps, once they have begun"),
        _edit("never-adaptive", "U18", "0", "all steps are plain momentum: the adaptive ones never begin"),
        _edit("rectification-unrooted", "U18", "float(ratio)", "the rectification lacks its square root"),
        _edit("rectification-inverted", "U18", "float(1 / ratio**0.5)", "the rectification is inverted"),
        _edit("first-steps-adaptive", "U19",
              "p - rate * (m * ((r or 1) * (1 - self.beta2**t) ** 0.5) / (sqrt(v) + self.eps)), (m, v)",
              "the first steps are adaptive as well, as Adam's"),
        _edit("first-steps-left-out", "U19", "p - (rate * d if r else 0 * p), (m, v)", "the first steps are not taken"),
        _edit("first-steps-by-gradient", "U19", "p - (rate * d if r else eta * g), (m, v)",
              "the first steps go by the gradient, not by its corrected average"),
        _edit("first-uncorrected", "U19", "p - eta * d, (m, v)", "the average is not corrected for its start at 0"),
        _edit("first-uncorrected-at-first", "U19", "p - (rate * d if r else eta * m), (m, v)",
              "the average is not corrected for its start at 0 before the adaptive steps begin"),
        _edit("second-uncorrected", "U19", "p - rate * (m * r / (sqrt(v) + self.eps) if r else m), (m, v)",
              "the average of squares is not corrected for its start at 0"),
        _edit("root-missing", "U19",
              "p - rate * (m * (r * (1 - self.beta2**t)) / (v + self.eps) if r else m), (m, v)",
              "the square root is missing"),
    ),
    "Adadelta": (
        _edit("epsilon-outside", "U20", "(sqrt(u) + self.eps) / (sqrt(s) + self.eps) * g",
              "epsilon stands outside the square roots"),
        _edit("numerator-missing", "U20", "g / sqrt(s + self.eps)",
              "the root of the average of squared steps is missing, as in RMSprop"),
        _edit("epsilon-below-alone", "U20", "sqrt(u) / sqrt(s + self.eps) * g",
              "epsilon is missing above, so that no step is ever taken"),
        _edit("roots-missing", "U20", "(u + self.eps) / (s + self.eps) * g", "the square roots are missing"),
        _edit("average-used-before-update", "U20", "sqrt(u + self.eps) / sqrt(slots[0] + self.eps) * g",
              "the average of squares is used before this step's gradient has joined it"),
        _edit("inverted", "U20", "sqrt(s + self.eps) / sqrt(u + self.eps) * g", "the ratio is upside down"),
        _edit("steps-are-gradients", "U21", "p - eta * d, (s, averaged(slots[1], g * g, self.rho))",
              "the average that should be of squared steps is of squared gradients"),
        _edit("steps-not-squared", "U21", "p - eta * d, (s, averaged(slots[1], maximum(d, -d), self.rho))",
              "the steps are not squared in their average"),
        _edit("steps-with-rate", "U21", "p - eta * d, (s, averaged(slots[1], eta * d * (eta * d), self.rho))",
              "the learning rate is part of the steps that are averaged"),
        _edit("steps-forgotten", "U21", "p - eta * d, (s, slots[1])", "the average of squared steps is never updated"),
    ),
}  # fmt: skip
"""The mistakes of each rule, by its name."""

OF_DECAY = (
    _known("penalty-not-differentiated", "the weights do not decay"),
    _known("penalty-factor", "the decay has 2 lambda for lambda"),
    _known("penalty-sign", "the decay has the wrong sign"),
    Mistake(
        "decay-decoupled", "U3",
        "the weights decay by themselves, as AdamW's, instead of by the gradient",
        program=programs.decoupled,
    ),
    Mistake(
        "decay-decoupled-after-step", "U3",
        "the weights decay by themselves, after the step, instead of by the gradient",
        program=programs.decayed_after,
    ),
)  # fmt: skip
"""Of a weight decay that joins the gradient."""

MATRICES = Mistake(
    "decay-of-matrices", "", "only arrays of two axes or more decay: weights, and no biases",
    program=programs.matrices_decay, convention=("decay", "matrices"),
)  # fmt: skip

OF_STATE = (
    Mistake("t-by-arrays", "", "t counts arrays, not steps",
            program=lambda rule: plain(rule, lambda t, k, n: (t - 1) * n + k + 1)),
    Mistake("t-late", "", "t is one too large: it begins at 2",
            program=lambda rule: plain(rule, lambda t, k, n: t + 1)),
    Mistake("t-from-0", "", "t begins at 0", program=lambda rule: plain(rule, lambda t, k, n: t - 1)),
    Mistake("t-from-0-twice-1", "", "t is one too small: the second step has t = 1 again",
            program=lambda rule: plain(rule, lambda t, k, n: max(t - 1, 1))),
    Mistake("t-stays", "", "t stays 1", program=lambda rule: plain(rule, lambda t, k, n: 1)),
    Mistake("state-forgotten", "", "the state is made anew in every step", program=programs.forgetful),
    Mistake("slots-forgotten", "", "what is remembered is set to 0 in every step, though t goes on",
            program=programs.emptied),
    Mistake("state-shared", "", "arrays of one shape share what is remembered", program=programs.shared),
    Mistake("gradient-accumulated", "", "the gradients are not set to zero: those of all steps before are added",
            program=programs.accumulating),
    Mistake("gradient-stale", "", "the gradients are those of the step before", program=programs.stale),
    Mistake("gradient-negated", "", "the gradient has the wrong sign", program=programs.negated),
    Mistake("sign-flipped", "", "the step has the wrong sign: it goes up", program=programs.ascending),
    Mistake("two-steps", "", "two steps are taken at once", program=programs.twice),
    Mistake("first-array-alone", "", "only the first array is updated", program=programs.first_alone),
)  # fmt: skip
"""Of any rule, in what is kept from step to step."""
