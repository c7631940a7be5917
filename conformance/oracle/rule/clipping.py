"""Clipping by the norm asked: gradients scaled down together, held to (U22).

Examples
--------
>>> import numpy as np
>>> def mine(gradients):
...     norm = np.sqrt(sum((g**2).sum() for g in gradients))
...     return [g * min(1, 0.5 / (norm + 1e-6)) for g in gradients]
>>> check_clipping(mine, 0.5).verdict
'CONFORMS'
>>> def each_by_itself(gradients):
...     return [g * min(1, 0.5 / (np.sqrt((g**2).sum()) + 1e-6)) for g in gradients]
>>> report = check_clipping(each_by_itself, 0.5)
>>> report.verdict, report.findings[0].faults
('WRONG', ('each-by-itself',))
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from reference import Gradient, clipped
from reference.checks.numbers import check_number, check_whole_number

from ...arrays import Array
from ...bounds.formats import FORMATS
from ...bounds.rounded import Rounded, exact
from ...judge.held import Update
from ...judge.judgement import compare
from ...judge.report import Report, Subject, found
from ...judge.verdict import by_equation_and_layer
from ...numbers.enclosure import Unbounded
from ...text.edits import Edit, alone
from ...text.labels import documented

Clip = Callable[[Sequence[Any], float], list[Any]]
"""Gradients and the largest norm to gradients, of arrays or of `Rounded`."""

SHAPES = ((4, 3), (4,), (2, 4), (2,))
"""W and b of two layers, in turn."""

NORMS = (0.25, 0.999, 1.5, 2.0**10, 0.0)
"""Of what is asked, as multiples of the largest: below it, nearly there, above, far above, and no gradient at all."""

EDITS = (
    ("always-scaled", "max_norm / (norm + 1e-6)", "gradients below the largest norm are scaled up to it"),
    ("norm-squared", "minimum(max_norm / (norm * norm + 1e-6), 1)", "the norm lacks its square root"),
    ("inverted", "minimum((norm + 1e-6) / max_norm, 1)", "the factor is upside down"),
    ("norm-of-one", "minimum(1 / (norm + 1e-6), 1)", "they are scaled to a norm of 1, whatever the largest is"),
    ("never", "minimum(1 + 0 * norm, 1)", "nothing is clipped"),
)
"""What else is at the labelled line."""


def check_clipping(
    clip: Callable[..., Any],
    max_norm: float,
    *,
    name: str = "",
    seed: int = 0,
    dtype: Any = "float64",
    conventions: Mapping[str, str] | None = None,
) -> Report:
    """Judge somebody's clipping of gradients by their norm, one norm over all arrays.

    Parameters
    ----------
    clip : callable
        ``clip(gradients)`` returns the list of clipped arrays, or changes them in place and returns None.
    max_norm : float
        To which it clips.
    name : str
        For the report; its own by default.
    seed : int
        Of the gradients.
    dtype : "float32" or "float64"
    conventions : mapping, optional
        ``{"epsilon": "none"}`` where 10^-6 is not added to the norm.

    Raises
    ------
    TypeError, ValueError
        If it gives no such arrays, or an option is none.
    """
    max_norm, kind = check_number("max_norm", max_norm, 0), np.dtype(dtype)
    if kind not in FORMATS or not max_norm:
        raise ValueError(f"check_clipping: expected float32 or float64 and a norm above 0, got {kind} and {max_norm}")
    if conventions not in (None, {}, {"epsilon": "none"}):
        raise ValueError(f'conventions: expected {{"epsilon": "none"}}, got {conventions!r}')
    rng = np.random.default_rng((check_whole_number("seed", seed, 0), 22))
    documented_clip = _by(_without if conventions else clipped)
    asked = [_gradients(rng, norm * max_norm, kind) for norm in NORMS]
    given = [_clipped_by(clip, gradients) for gradients in asked]
    wanted = [_bounds(documented_clip, gradients, max_norm) for gradients in asked]
    judgements = [
        [compare("U22", k, *pair) for k, pair in enumerate(zip(got, want, strict=True), start=1)]
        for got, want in zip(given, wanted, strict=True)
    ]
    findings = []
    shown = next((n for n, of in enumerate(judgements) if any(j.wrong for j in of)), None)
    if shown is not None:
        j = max((j for j in judgements[shown] if j.wrong), key=lambda j: j.margin)
        fits = [row for row in _others() if _agree(row[1], asked, given, max_norm)]
        said = f"These are the numbers where {fits[0][2]}." if fits else "No mistake that is known gives these numbers."
        if fits and fits[0][0] == "epsilon-none":
            said = f'Right if {fits[0][2]}; then say conventions={{"epsilon": "none"}}.'
        text = (
            f"(U22) {documented('U22')}: with gradients of {NORMS[shown]:g} times the largest norm array {j.layer}, "
            f"{j.wrong} of {j.elements} elements; at {list(j.element)} {j.got:.9g}, expected {j.expected:.9g} within "
            f"{j.bound:.1g}.  {said}"
        )
        expected = tuple(bound.mid.astype(kind) for bound in wanted[shown])
        update = Update(shown + 1, tuple(asked[shown]), (), tuple(given[shown]), expected)
        findings.append(found("ordinary", j, text, tuple(row[0] for row in fits))._replace(question=update))
    subject = Subject(name or getattr(clip, "__name__", type(clip).__name__))
    tallies = by_equation_and_layer(j for of in judgements for j in of)
    return Report(subject, tallies, tuple(findings), asked=len(asked), seed=seed)


def _gradients(rng: np.random.Generator, norm: float, dtype: Any) -> list[Array]:
    drawn = [rng.standard_normal(shape) for shape in SHAPES]
    size = np.sqrt(sum((g**2).sum() for g in drawn))
    return [(g * (norm / size)).astype(dtype) for g in drawn]


def _clipped_by(clip: Callable[..., Any], gradients: Sequence[Array]) -> list[Array]:
    lent = [g.copy() for g in gradients]
    try:
        with np.errstate(all="ignore"):
            returned = clip(lent)
        arrays = [np.array(g, dtype=gradients[0].dtype) for g in (lent if returned is None else returned)]
    except (Exception, SystemExit) as error:
        raise TypeError(f"clip: expected a list of arrays, got {type(error).__name__}: {error}") from error
    if [g.shape for g in arrays] != list(SHAPES):
        raise TypeError(f"clip: expected arrays of shapes {SHAPES}, got {tuple(g.shape for g in arrays)}")
    return arrays


def _by(text: Callable[..., Any]) -> Clip:
    """The reference's text, or an altered one, on a list of arrays."""

    def clip(gradients: Sequence[Any], max_norm: float) -> list[Any]:
        pairs = zip(gradients[::2], gradients[1::2], strict=True)
        layers = text(tuple(Gradient(b, W, b) for W, b in pairs), max_norm)
        return [part for _, W, b in layers for part in (W, b)]

    return clip


def _bounds(clip: Clip, gradients: Sequence[Array], max_norm: float) -> list[Rounded]:
    exactly = [exact(g) for g in gradients]
    try:
        return clip(exactly, max_norm)
    except Unbounded:
        return [g.widened(np.inf) for g in exactly]


def _agree(clip: Clip, asked: Sequence[Sequence[Array]], given: Sequence[Sequence[Array]], max_norm: float) -> bool:
    return not any(
        compare("U22", 1, *pair).wrong
        for gradients, got in zip(asked, given, strict=True)
        for pair in zip(got, _bounds(clip, gradients, max_norm), strict=True)
    )


def _without(gradients: Any, max_norm: float) -> Any:
    """The text without 10^-6; no gradients at all stay as they are, whatever they are divided by."""
    if all(not part.mid.any() for _, W, b in gradients for part in (W, b)):
        return gradients
    return alone("updates", Edit("U22", "minimum(max_norm / norm, 1)")).clipped(gradients, max_norm)


def _others() -> Iterator[tuple[str, Clip, str]]:
    yield "epsilon-none", _by(_without), "10^-6 is not added to the norm"
    yield "each-by-itself", _each, "each array is clipped by its own norm"
    yield "by-value", _by_value, "each number is clipped by itself, by value"
    for fault, expression, said in EDITS:
        yield fault, _by(alone("updates", Edit("U22", expression)).clipped), said


def _each(gradients: Sequence[Any], max_norm: float) -> list[Any]:
    return [clipped((Gradient(g, g, 0 * g),), max_norm)[0].W for g in gradients]


def _by_value(gradients: Sequence[Any], max_norm: float) -> list[Any]:
    return [-np.minimum(-np.minimum(g, max_norm), max_norm) for g in gradients]
