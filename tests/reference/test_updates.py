"""Update rules (U3 to U22): several steps, ours and torch.optim's within the bound, which holds the certified truth."""

from dataclasses import MISSING, fields
from inspect import signature
from typing import Any

import numpy as np
import pytest
import torch

from conformance.arrays import Array
from conformance.bounds.assumptions import MOVING
from conformance.bounds.rounded import Rounded, exact
from conformance.judge.judgement import compare
from conformance.numbers.balls import balls
from conformance.numbers.enclosure import Unbounded
from conformance.subjects.faults import UPDATE_FAULTS, Fault
from conformance.text.edits import planted
from reference import (
    SGD,
    UPDATES,
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Identity,
    Layer,
    NAdam,
    RAdam,
    RMSprop,
    Rule,
    advance,
    begin,
    clipped,
    update,
    update_rule,
)
from reference.backpropagation import Gradient

from ..certified import radius_used, random

DTYPES = ("float32", "float64")
STEPS = 7
"""Enough for RAdam's rectified steps, which begin with the sixth."""

OPTIMISERS: dict[type[Rule], Any] = {
    SGD: torch.optim.SGD,
    Adagrad: torch.optim.Adagrad,
    RMSprop: torch.optim.RMSprop,
    Adam: torch.optim.Adam,
    AdamW: torch.optim.AdamW,
    Adamax: torch.optim.Adamax,
    NAdam: torch.optim.NAdam,
    RAdam: torch.optim.RAdam,
    Adadelta: torch.optim.Adadelta,
}


@pytest.mark.parametrize("kind", OPTIMISERS)
def test_parameters_and_defaults_are_pytorchs(kind: type[Rule]) -> None:
    """But the learning rate's name, and its default with SGD: it has none."""
    theirs = {name: parameter.default for name, parameter in signature(OPTIMISERS[kind]).parameters.items()}
    theirs["eta"] = MISSING if kind is SGD else theirs["lr"]
    theirs["beta1"], theirs["beta2"] = theirs.get("betas", (None, None))
    ours = {field.name: field.default for field in fields(kind)}  # type: ignore[arg-type]
    assert ours == {name: theirs[name] for name in ours}


def gradients_of(dtype: str) -> list[Array]:
    """One for each step; with a unit that never has a gradient, and gradients of 3e-8."""
    rng = np.random.default_rng(21)
    steps = [random(rng, (4, 3), dtype) for _ in range(STEPS)]
    for g in steps:
        g[0] = 0
        g[1] *= np.dtype(dtype).type(1.5e-8)
    return steps


def torch_steps(rule: Rule, p: Array, gradients: list[Array]) -> list[Array]:
    parameters = dict(vars(rule))
    if "beta1" in parameters:
        parameters["betas"] = parameters.pop("beta1"), parameters.pop("beta2")
    leaf = torch.tensor(p, requires_grad=True)
    # NAdam keeps a product of momenta in the default dtype: see conformance.subjects.domain.
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        return _steps(rule, leaf, parameters, gradients)
    finally:
        torch.set_default_dtype(before)


def _steps(rule: Rule, leaf: torch.Tensor, parameters: dict[str, Any], gradients: list[Array]) -> list[Array]:
    optimiser = OPTIMISERS[type(rule)]([leaf], lr=parameters.pop("eta"), foreach=False, **parameters)
    steps = []
    for g in gradients:
        leaf.grad = torch.tensor(g)
        optimiser.step()
        steps.append(leaf.detach().numpy().copy())
    return steps


def admitted_gradient(g: Rounded, slots: tuple[Rounded, ...]) -> Rounded:
    """Widened by what taking the moving averages another way may change."""
    sizes = abs(g.mid).astype(float) + sum((abs(slot.mid).astype(float) for slot in slots[:1]), np.zeros(g.shape))
    return g.widened(MOVING * g.format.u * sizes)


def check(rule: Rule) -> None:
    """Each step's parameters: ours, PyTorch's and the truth in balls, within the bound carried from the first."""
    for dtype in DTYPES:
        p = random(np.random.default_rng(22), (4, 3), dtype)
        gradients = gradients_of(dtype)
        theirs = torch_steps(rule, p, gradients)
        ours, truth, bound = p, balls(p), exact(p)
        slots, ball_slots, bounds = rule.start(p), rule.start(truth), rule.start(bound)
        for t, g in enumerate(gradients, start=1):
            ours, slots = rule.step(ours, g, slots, t, rule.eta)
            truth, ball_slots = rule.step(truth, balls(g), ball_slots, t, rule.eta)
            bound, bounds = rule.step(bound, admitted_gradient(exact(g), bounds), bounds, t, rule.eta)
            assert ours.dtype == p.dtype
            assert radius_used(ours, truth, bound) <= 1
            assert radius_used(theirs[t - 1], truth, bound) <= 1
            generic = bound.rad[2:] / abs(bound.mid[2:])
            assert np.median(generic) < 2**12 * float(np.finfo(dtype).eps)  # the bound is no formality


def test_U3_U5_U6_sgd() -> None:
    check(SGD(0.1))
    check(SGD(0.1, momentum=0.9))
    check(SGD(0.1, momentum=0.9, dampening=0.25, weight_decay=0.01))
    check(SGD(0.1, momentum=0.9, nesterov=True, weight_decay=0.01))


def test_U7_U8_adagrad() -> None:
    check(Adagrad())
    check(Adagrad(lr_decay=0.1, weight_decay=0.01))


def test_U4_U9_U10_rmsprop() -> None:
    check(RMSprop())
    check(RMSprop(momentum=0.9, weight_decay=0.01))


def test_U4_U11_U12_adam() -> None:
    check(Adam())
    check(Adam(beta1=0.8, beta2=0.95, weight_decay=0.01, amsgrad=True))


def test_U13_adamw() -> None:
    check(AdamW())
    check(AdamW(weight_decay=0.1, amsgrad=True))


def test_U14_U15_adamax() -> None:
    check(Adamax())
    check(Adamax(weight_decay=0.01))


def test_U16_U17_nadam() -> None:
    check(NAdam())
    check(NAdam(weight_decay=0.01, momentum_decay=0.1))


def test_U18_U19_radam() -> None:
    check(RAdam())
    check(RAdam(weight_decay=0.01))


def test_U20_U21_adadelta() -> None:
    check(Adadelta())
    check(Adadelta(eta=0.5, rho=0.8, weight_decay=0.01))


def test_U9_centred_rmsprop_where_the_variance_is_known() -> None:
    """The first step's variance, s - m^2 = alpha (1 - alpha) g^2, is decided; where g is 0 it is 0 or a rounding."""
    rule = RMSprop(centered=True)
    for dtype in DTYPES:
        p, g = random(np.random.default_rng(22), (4, 3), dtype), gradients_of(dtype)[0]
        (theirs,) = torch_steps(rule, p, [g])
        ours, _ = rule.step(p, g, rule.start(p), 1, rule.eta)
        truth, _ = rule.step(balls(p), balls(g), rule.start(balls(p)), 1, rule.eta)
        bound, _ = rule.step(exact(p), admitted_gradient(exact(g), ()), rule.start(exact(p)), 1, rule.eta)
        for got in (ours, theirs):
            assert radius_used(got, truth, bound) <= 1
        assert np.isfinite(bound.rad[2:]).all()


RULES_OF_FAULTS = {
    "nesterov-variant": ("sgd", {"eta": 0.1, "momentum": 0.9, "nesterov": True}),
    "momentum-convention": ("sgd", {"eta": 0.1, "momentum": 0.9}),
    "adam-epsilon-inside": ("adam", {}),
    "adam-epsilon-scaled": ("adam", {}),
    "adam-uncorrected": ("adam", {}),
    "penalty-not-differentiated": ("sgd", {"eta": 0.1, "weight_decay": 0.01}),
    "penalty-factor": ("adagrad", {"weight_decay": 0.01}),
    "penalty-sign": ("sgd", {"eta": 0.1, "weight_decay": 0.01}),
}


@pytest.mark.parametrize("fault", UPDATE_FAULTS, ids=lambda fault: fault.name)
def test_planted_mistake_leaves_the_bound(fault: Fault) -> None:
    """Some step of the faulty rule is outside, where the reference's and PyTorch's are within (above)."""
    text = planted(*fault.edits)
    name, parameters = RULES_OF_FAULTS[fault.name]
    rule: Any = update_rule(name, **parameters)
    faulty = text.update_rule(name, **parameters)
    for dtype in DTYPES:
        p = random(np.random.default_rng(22), (4, 3), dtype)
        theirs, bound = p, exact(p)
        slots, bounds = faulty.start(p), rule.start(bound)
        margins = []
        for t, g in enumerate(gradients_of(dtype), start=1):
            theirs, slots = faulty.step(theirs, g, slots, t, rule.eta)
            bound, bounds = rule.step(bound, admitted_gradient(exact(g), bounds), bounds, t, rule.eta)
            margins.append(compare(fault.name, 0, theirs, bound).margin)
        assert max(margins) > 1


def layer(p: Array, q: Array) -> Layer[Array]:
    return Layer(p, q, Identity())


def test_U22_clipping_by_norm() -> None:
    for dtype in DTYPES:
        W, b = random(np.random.default_rng(1), (3, 2), dtype), random(np.random.default_rng(2), (3,), dtype)
        gradients = (Gradient(b[None], W, b),)
        for max_norm in (0.5, 1e6):
            leaves = [torch.zeros(p.shape, dtype=torch.float32, requires_grad=True) for p in (W, b)]
            for leaf, p in zip(leaves, (W, b), strict=True):
                leaf.grad = torch.tensor(p).to(leaf.dtype)
            torch.nn.utils.clip_grad_norm_(leaves, max_norm)
            (ours,) = clipped(gradients, max_norm)
            assert ours.W.dtype == W.dtype
            # PyTorch's leaves are float32.  Its norm rounds n squares and their sum (n + 1 units, halved by the root);
            # root, factor and product add a few: n + 6 eps, which are 2 n + 12 units, hold both sides.
            bound = (W.size + b.size + 6) * float(np.finfo(np.float32).eps)
            for got, leaf in zip((ours.W, ours.b), leaves, strict=True):
                theirs = leaf.grad
                assert theirs is not None
                assert abs(got - theirs.numpy()).max() <= bound * abs(got).max()
        (same,) = clipped(gradients, 1e6)
        assert (same.W == W).all()


def test_U22_has_its_millionth() -> None:
    """A gradient of norm 5e-6 clipped to 1e-6 is multiplied by 1 / (5 + 1)."""
    W, b = np.array([[3e-6]]), np.array([-4e-6])
    (ours,) = clipped((Gradient(b[None], W, b),), 1e-6)
    # Inputs, quotients, squares, sum, root, product, sum, factor and the product with it: one rounding each.
    for got, p in ((ours.W, W), (ours.b, b)):
        assert abs(got * 6 - p).max() <= 16 * 2.0**-53 * abs(p).max()


def test_advance_takes_a_whole_network_and_leaves_everything_as_it_was() -> None:
    rng = np.random.default_rng(3)
    network = (layer(rng.standard_normal((3, 2)), rng.standard_normal(3)),)
    gradients = (Gradient(rng.standard_normal((5, 3)), rng.standard_normal((3, 2)), rng.standard_normal(3)),)
    for kind in UPDATES.values():
        rule = SGD(0.1, momentum=0.9) if kind is SGD else kind()
        state = begin(rule, network)
        arrays = [*network[0][:2], *gradients[0], *(slot for pair in state.slots for of in pair for slot in of)]
        before = [p.copy() for p in arrays]
        for p in arrays:
            p.flags.writeable = False
        after, later = advance(rule, network, gradients, state)
        again, _ = advance(rule, network, gradients, state)
        assert (state.t, later.t) == (0, 1)
        assert after[0].W.tobytes() == again[0].W.tobytes()
        assert not np.shares_memory(after[0].W, network[0].W)
        assert not [(p, q) for p, q in zip(arrays, before, strict=True) if not (p == q).all()]
        for p in arrays:
            p.flags.writeable = True


@pytest.mark.parametrize("eta", [None, 0.0, 0.5])
@pytest.mark.parametrize("name", UPDATES)
def test_advance_takes_each_array_for_itself_with_the_rate_it_is_given(name: str, eta: float | None) -> None:
    """Three steps of two layers, to the bit those of the rule whose own rate that is."""
    parameters: dict[str, Any] = {"momentum": 0.9} if name == "sgd" else {}
    parameters |= {"weight_decay": 0.25, "eta": 0.125}
    rule, own = update_rule(name, **parameters), update_rule(name, **parameters | ({} if eta is None else {"eta": eta}))
    rng = np.random.default_rng(3)
    shapes = ((3, 2), (3,)), ((4, 3), (4,))
    network = tuple(layer(*map(rng.standard_normal, pair)) for pair in shapes)
    state = begin(rule, network)
    assert (state.rule, state.t) == (type(rule).__name__, 0)
    arrays = [p for W, b, _ in network for p in (W, b)]
    slots = [own.start(p) for p in arrays]
    for t in (1, 2, 3):
        g = [rng.standard_normal(p.shape) for p in arrays]
        network, state = advance(rule, network, (Gradient(g[1], *g[:2]), Gradient(g[3], *g[2:])), state, eta)
        stepped = [own.step(p, gradient, of, t, own.eta) for p, gradient, of in zip(arrays, g, slots, strict=True)]
        arrays, slots = [p for p, _ in stepped], [of for _, of in stepped]
        assert [p.tobytes() for W, b, _ in network for p in (W, b)] == [p.tobytes() for p in arrays]
        assert state.t == t
    kept = [of for pair in state.slots for of in pair]
    assert [[slot.tobytes() for slot in of] for of in kept] == [[slot.tobytes() for slot in of] for of in slots]


def test_plain_sgd_is_the_documents_update_to_the_bit() -> None:
    rng = np.random.default_rng(3)
    network = (layer(rng.standard_normal((3, 2)), rng.standard_normal(3)),)
    gradients = (Gradient(rng.standard_normal((5, 3)), rng.standard_normal((3, 2)), rng.standard_normal(3)),)
    rule = SGD(0.1)
    (ours,), _ = advance(rule, network, gradients, begin(rule, network))
    (documented,) = update(network, gradients, 0.1)
    assert ours.W.tobytes() == documented.W.tobytes()
    assert ours.b.tobytes() == documented.b.tobytes()


def test_first_steps_of_adam_amplify_rounding_and_the_bound_says_so() -> None:
    """Adam's first step is a sign: a gradient of 3e-8 that carries a rounding of 1e-7 becomes a step of eta or -eta."""
    rule = Adam(eta=0.07)
    p, g = exact(np.array([1.0], np.float32)), exact(np.array([3e-8], np.float32)).widened(1e-7)
    with pytest.raises(Unbounded, match="a square root of or by"):
        rule.step(p, g, rule.start(p), 1, rule.eta)


@pytest.mark.parametrize("name", UPDATES)
def test_rules_by_name(name: str) -> None:
    assert update_rule(name, eta=0.5) == UPDATES[name](eta=0.5)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="update rule: expected one of sgd, adagrad"):
        update_rule("lion")
