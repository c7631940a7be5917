"""Changes: samples that are left out or out of order, and what was done to gradients that were right."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ....arrays import Array
from ....problems.problem import Parameters, Problem
from .mistake import Given, Gradients, Held, Mistake, gradients_of

EPS = 1e-8
"""What Adam and its kin add to a root, by default."""

Change = Callable[[Array], Array]


# Samples.


def samples() -> Iterator[Mistake]:
    """Samples left out, or targets that are not theirs."""
    parts: dict[str, tuple[str, Change]] = {
        "last sample left out": ("the last sample is left out", lambda x: x[:-1]),
        "first sample left out": ("the first sample is left out", lambda x: x[1:]),
        "first sample only": ("only the first sample is looked at", lambda x: x[:1]),
        "last sample only": ("only the last sample is looked at", lambda x: x[-1:]),
        "every second sample": ("only every second sample is looked at", lambda x: x[::2]),
    }
    for name, (said, part) in parts.items():
        # A mean is over the samples that are looked at, or over all of them.
        yield Mistake(name, f"Exactly these numbers come where {said}.", _of_part(part))
        yield Mistake(name, f"Exactly these numbers come where {said}.", _of_part(part, over_all=True))
    targets: dict[str, tuple[str, Change]] = {
        "targets reversed": ("the targets are in reverse order", lambda y: y[::-1]),
        "targets shifted": ("each sample has the target of the one before", lambda y: np.roll(y, 1, axis=0)),
        "targets shifted back": ("each sample has the target of the one after", lambda y: np.roll(y, -1, axis=0)),
        "first target for all": ("all samples have the first one's target", lambda y: y[:1] + 0 * y),
        "mean target for all": ("all samples have the mean of the targets", lambda y: 0 * y + y.mean(axis=0)),
    }
    for name, (said, change) in targets.items():
        yield Mistake(
            name, f"Exactly these numbers come where {said}.",
            _of_targets(change),
        )  # fmt: skip
    yield Mistake(
        "first sample for all", "Exactly these numbers come where the first sample stands for all.",
        lambda p: gradients_of(p._replace(x=p.x[:1] + 0 * p.x, y=p.y[:1] + 0 * p.y)),
    )  # fmt: skip


def _of_targets(change: Change) -> Given:
    return lambda problem: gradients_of(problem._replace(y=change(problem.y)))


def _of_part(part: Change, over_all: bool = False) -> Given:
    """The gradients of some samples; a mean is over these, or over all."""

    def given(problem: Problem) -> Gradients:
        x, y = part(problem.x), part(problem.y)
        share = len(x) / len(problem.x) if over_all and problem.reduction == "mean" else 1.0
        return [Parameters(W * share, b * share) for W, b in gradients_of(problem._replace(x=x, y=y))]

    return given


# Done to right gradients.


def _rounded(decimals: int) -> Change:
    return lambda p: p.round(decimals)


BOTH, OF_W = "dL/dW and dL/db", "dL/dW"

OF_ALL: dict[str, tuple[str, Change]] = {
    "signs": ("the gradients' signs alone", np.sign),
    "absolute values": ("the gradients' absolute values", abs),
    "sizes divided out": (
        "the gradients divided by their own sizes, as Adam's first step takes them", lambda p: p / (abs(p) + EPS),
    ),
    "squares": ("the gradients' squares", np.square),
    "square roots": ("the roots of the gradients' sizes, with their signs", lambda p: np.sign(p) * np.sqrt(abs(p))),
    "negative elements zero": ("the gradients with zero for what is negative", lambda p: np.maximum(p, 0)),
    "mean taken away": ("the gradients less each array's own mean", lambda p: p - p.mean()),
    "through float16": ("the gradients rounded to float16", lambda p: p.astype(np.float16).astype(np.float64)),
    **{
        f"rounded to {n} decimals": (f"the gradients rounded to {n} decimals", _rounded(n))
        for n in range(2, 7)
    },
}  # fmt: skip

OF_WEIGHTS: dict[str, tuple[str, Change]] = {
    "rows reversed": ("dL/dW with its units in reverse order", lambda p: p[::-1]),
    "columns reversed": ("dL/dW with its inputs in reverse order", lambda p: p[:, ::-1]),
    "rows shifted": ("dL/dW with its units shifted by one", lambda p: np.roll(p, 1, axis=0)),
    "columns shifted": ("dL/dW with its inputs shifted by one", lambda p: np.roll(p, 1, axis=1)),
    "rows shifted back": ("dL/dW with its units shifted back by one", lambda p: np.roll(p, -1, axis=0)),
    "columns shifted back": ("dL/dW with its inputs shifted back by one", lambda p: np.roll(p, -1, axis=1)),
    "row means taken away": ("dL/dW less the mean of each row", lambda p: p - p.mean(axis=1, keepdims=True)),
    "column means taken away": ("dL/dW less the mean of each column", lambda p: p - p.mean(axis=0)),
    "upper triangle": ("dL/dW with zeros below the diagonal", np.triu),
    "lower triangle": ("dL/dW with zeros above the diagonal", np.tril),
}


def done_to_gradients(answers: Sequence[Held]) -> Iterator[Mistake]:
    """What may have been done, with the numbers that the answers show."""
    for name, (said, change) in OF_ALL.items():
        yield _done(name, said, _each(change), BOTH)
    for name, (said, change) in OF_WEIGHTS.items():
        yield _done(name, said, _each(change, of_b=False), OF_W)
    parts = [part for held in answers for part in held.got]
    if not all(np.isfinite(part).all() for part in parts) or not any(part.any() for part in parts):
        return
    largest = max(float(abs(part).max(initial=0)) for part in parts)
    clipped = f"the gradients clipped elementwise at {largest:.6g}"
    yield _done(f"clipped at {largest:.6g}", clipped, _each(lambda p: p.clip(-largest, largest)), BOTH)
    norms = [_norm(held.got) for held in answers]
    most = max(norms)
    if len(answers) > 1 and min(norms) > most * (1 - 2.0**-20):
        yield _done(
            f"norm is {most:.6g}", f"the gradients divided to a norm of {most:.6g}", _normed(most), BOTH
        )
    scaled = f"the gradients scaled down to a norm of {most:.6g}, as clipping by norm does"
    yield _done(f"norm clipped at {most:.6g}", scaled, _normed(most, only_above=True), BOTH)
    own = max(_norm([part]) for part in parts)
    scaled = f"the gradients with each array scaled down to a norm of {own:.6g}"
    yield _done(f"each array's norm clipped at {own:.6g}", scaled, _each(lambda p: p * _share([p], own, True)), BOTH)
    least = min((float(abs(part[part != 0]).min()) for part in parts if part.any()), default=0.0)
    small = f"the gradients with zero for what is below {least:.2g}"
    yield _done("small elements zero", small, _each(lambda p: np.where(abs(p) < least * (1 - EPS), 0, p)), BOTH)
    yield _done("layers reversed", "the layers' gradients in reverse order", lambda g: g[::-1], BOTH)
    yield from _penalties(answers)


def _penalties(answers: Sequence[Held]) -> Iterator[Mistake]:
    """A multiple of the signs of the weights, added to dL/dW or to all."""
    held = answers[0]
    signs = [np.sign(W) for W, _, _ in held.problem.network]
    off = [got - truth for got, truth in zip(held.got[::2], held.truth[::2], strict=True)]
    above = sum(float((o * s).sum()) for o, s in zip(off, signs, strict=True))
    c = float(f"{above / (sum(float((s * s).sum()) for s in signs) or 1.0):.4g}")
    for biases in (False, True) if c else ():
        on = "weights and biases" if biases else "weights"
        said = f"Right if the objective holds a penalty of {c:g} times the sum of the absolute {on}."
        yield Mistake(f"{c:g} times the signs of the {on}", said, _with_signs(c, biases))


def _with_signs(c: float, biases: bool) -> Given:
    return lambda problem: [
        Parameters(dW + c * np.sign(W), db + c * np.sign(b) if biases else db)
        for (dW, db), (W, b, _) in zip(gradients_of(problem), problem.network, strict=True)
    ]


def _done(name: str, said: str, change: Callable[[Gradients], Gradients], changed: str) -> Mistake:
    return Mistake(name, f"These are {said}.", lambda problem: change(gradients_of(problem)), changed)


def _each(change: Change, of_b: bool = True) -> Callable[[Gradients], Gradients]:
    return lambda gradients: [Parameters(change(W), change(b) if of_b else b) for W, b in gradients]


def _norm(parts: Sequence[Array]) -> float:
    return float(np.sqrt(sum((part**2).sum() for part in parts)))


def _share(parts: Sequence[Array], most: float, only_above: bool) -> float:
    norm = _norm(parts)
    return 1.0 if not norm or (only_above and norm <= most) else most / norm


def _normed(most: float, only_above: bool = False) -> Callable[[Gradients], Gradients]:
    def change(gradients: Gradients) -> Gradients:
        by = _share([part for layer in gradients for part in layer], most, only_above)
        return [Parameters(W * by, b * by) for W, b in gradients]

    return change
