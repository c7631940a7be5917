"""Diagnosis: what the wrong numbers of one operation fit, and which of them are wrong, in sentences.

Whatever is named gives exactly these numbers in every answer that is looked at, the right ones among them; where
nothing does, that is said.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from ....arrays import Array
from ....bounds.assumptions import KAPPA
from ....judge.judgement import Judgement
from ....judge.report import digits_apart
from ...explaining.factors import CLUES, LEAST, SIMPLE, factor
from ..asking.calls import Mistaken, Operation, asked
from . import precision
from .elements import told, which
from .evidence import Seen, sizes
from .mistakes.constants import of_constants
from .mistakes.rearranged import of_other_cotangents, of_what_is_given, rearranged

SAID = 3
"""How many mistakes are named at most, where several give the same numbers."""

THROUGHOUT = ("factor ", "the truth transposed", "the truth reversed", "the truth shifted")
"""How the names of mistakes begin that say of all elements what becomes of them."""

UNKNOWN = "No known mistake gives these numbers."


Mistakes = Callable[[Seen], Iterable[Mistaken]]
"""What may have been mistaken in an answer, and the numbers that come of it."""


class Diagnosis(NamedTuple):
    """What is said, the names of the mistakes that fit, and with how many bits the numbers are right."""

    said: str = ""
    faults: tuple[str, ...] = ()
    bits: float | None = None


def diagnosed(operation: Operation, j: Judgement, answers: Sequence[Seen]) -> Diagnosis:
    """What the first of these answers, which is wrong as ``j`` says, has in common with the others.

    NaN and infinity are told first, then zeros, a factor, known mistakes, fewer bits; and by what the wrong elements
    are told from the right ones.
    """
    first = answers[0]
    part = which(operation.known, answers)
    wrong = f"{told(part)}." if part else ""
    if not np.isfinite(first.got[first.wrong]).all():
        return _not_finite(first, part)
    if not first.got[first.known].any():
        return Diagnosis("It is zero throughout.", ("zero",))
    if names := _readings(operation, j, answers):
        return _named(names[:SAID], "" if names[0].startswith(THROUGHOUT) else wrong)
    if (bits := precision.bits_of(answers)) is not None:
        return Diagnosis(" ".join(filter(None, [precision.said(bits), wrong])), bits=bits)
    there = _there(operation, answers)
    if part and there:
        return Diagnosis(f"{told(part)}: there it is {there[0]}.", there[:1])
    if names := _constants(answers):
        return _named(names, wrong)
    if not _is_linear(operation, first):
        said = "It is not linear in the cotangent: twice the cotangent does not give twice the gradient."
        return Diagnosis(" ".join(filter(None, [said, wrong])), ("not linear in the cotangent",))
    if there and not first.wrong.all():
        return Diagnosis(f"Where it is wrong it is {there[0]}.", there[:1])
    return Diagnosis(" ".join(filter(None, [wrong, UNKNOWN])))


def of_numbers(j: Judgement, s: Seen) -> Diagnosis:
    """What can be told of one answer without asking any more: what is not finite, zeros, a factor."""
    if not np.isfinite(s.got[s.wrong]).all():
        return _not_finite(s, "")
    if not s.got[s.known].any():
        return Diagnosis("It is zero throughout.", ("zero",))
    names = _factors(j, [s])
    return _named(names, "") if names else Diagnosis()


# What is said.


def _not_finite(s: Seen, part: str) -> Diagnosis:
    nan, infinite = int(np.isnan(s.got).sum()), int(np.isinf(s.got[s.wrong]).sum())
    what = "NaN" if not infinite else "infinite" if not nan else "NaN or infinite"
    n = nan + infinite
    number = f"All {n} elements are" if n == s.got.size > 1 else "It is" if n == s.got.size else f"{n} elements are"
    said = f"{'One element is' if n == 1 < s.got.size else number} {what} where the truth is a number."
    others = s.wrong & np.isfinite(s.got)
    if part and not others.any() and n < s.got.size:
        said += f" These are exactly {part}; all others are right."
    elif n < s.got.size and not others.any():
        said += " All others are right."
    name = "not a number" if nan else "infinite"
    return Diagnosis(said, (name,))


def _named(names: Sequence[str], wrong: str) -> Diagnosis:
    """What fits, the plainest first, and which elements are wrong."""
    plain = [n for n in names if n.startswith(("factor ", "the truth", "the cotangent itself", "the cotangent times"))]
    others = [n for n in names if n not in plain]
    sentences = []
    for name in plain[:1]:
        sentences.append(f"It is {_in_words(name)}.")
    if others:
        sentences.append(f"It is {'also ' if plain else ''}right as {', or as '.join(others)}.")
    faults = tuple(name.removeprefix("the truth ") for name in names)
    return Diagnosis(" ".join(filter(None, [*sentences, wrong])), faults)


def _in_words(name: str) -> str:
    return f"{name.removeprefix('factor ')} times the truth throughout" if name.startswith("factor ") else name


# What fits.


def _readings(operation: Operation, j: Judgement, answers: Sequence[Seen]) -> list[str]:
    """What all numbers of all answers are: a factor and what it comes of, or else the first kind that fits."""
    first, *two_at_once = operation.known.mistakes
    names = _factors(j, answers)
    if names == ["factor -1"]:  # which comes of much else as well
        return names
    names += _fitting(_of_equation(first), answers)
    kinds: list[Mistakes] = [
        rearranged,
        of_what_is_given,
        *map(_of_equation, two_at_once),
        of_other_cotangents,
    ]
    return names or next(filter(None, (_fitting(kind, answers) for kind in kinds)), [])


def _constants(answers: Sequence[Seen]) -> list[str]:
    """The first array along the way that is taken for a constant, or whose part is reversed or doubled."""
    first, *others = answers
    names = [name for name, numbers in of_constants(first) if _fits(Seen.fits, first, numbers)]
    for s in others:
        if names:
            known = of_constants(s, names)
            names = [name for name, numbers in known if name in names and _fits(Seen.fits, s, numbers)]
    return names[:1]


def _of_equation(mistakes: Callable[..., Iterable[Mistaken]]) -> Mistakes:
    return lambda s: mistakes(s.call.values, s.call.g)


def _fitting(mistakes: Mistakes, answers: Sequence[Seen], where_wrong: bool = False) -> list[str]:
    """The mistakes whose numbers every answer has, up to `SAID`; or has where it is wrong."""
    first, *others = answers
    fits = Seen.fits_where_wrong if where_wrong else Seen.fits
    with np.errstate(all="ignore"):
        names = [name for name, numbers in mistakes(first) if _fits(fits, first, numbers)]
        for s in others:
            if not names:
                return []
            found = {name for name, numbers in mistakes(s) if name in names and _fits(fits, s, numbers)}
            names = [name for name in names if name in found]
    return list(dict.fromkeys(names))[:SAID]


def _fits(fits: Callable[[Seen, Array], bool], s: Seen, numbers: Array | Callable[[], Any]) -> bool:
    """Whether numbers fit that are there, or that an attempt gives, in the shape of the gradient."""
    if callable(numbers):
        try:
            numbers = np.asarray(numbers(), np.float64)
        except Exception:  # an alteration of the text, or another parameter, may make no sense
            return False
        if numbers.size == 1:
            numbers = numbers.reshape(())
        elif numbers.size == s.got.size:
            numbers = numbers.reshape(s.got.shape)
    return numbers.shape in ((), s.got.shape) and fits(s, numbers)


def _factors(j: Judgement, answers: Sequence[Seen]) -> list[str]:
    """The name of the factor that all numbers have in common, of every answer; none where it is as good as zero."""
    first, *others = answers
    r = j.factor
    if not np.isfinite(r) or abs(r) < LEAST or not all(_is_times(r, s) for s in others):
        return []
    simple = [(-1.0, "-1")]
    for n in dict.fromkeys((2, *sizes(first))):
        simple += [(1.0 * n, f"{n}"), (1 / n, f"1/{n}"), (-1.0 * n, f"-{n}"), (-1 / n, f"-1/{n}")] if n > 1 else []
    name = factor(r, simple, min(2 * j.floor, SIMPLE))
    known = int(first.known.sum()) >= CLUES
    return [f"factor {name}"] if name else [f"factor {digits_apart(r, 6)}"] if known else []


def _is_times(r: float, s: Seen) -> bool:
    """Whether all numbers are so many times the truth, known to a rounding."""
    with np.errstate(all="ignore"):
        off = abs(s.got.astype(s.truth.dtype) - r * s.truth)
        within = max(1.0, abs(r)) * (3 * s.expected.rad + 8 * s.expected.format.u * abs(s.truth))
        return bool((off <= within)[s.known].all())


FEW = (-1.0, 2.0, 0.5, 3.0, 1 / 3, 4.0, 0.25)
"""Factors by which some elements alone are multiplied."""


def _there(operation: Operation, answers: Sequence[Seen]) -> tuple[str, ...]:
    """What the wrong elements are, and the right ones are not, where at least `CLUES` of them say so."""
    if sum(int(s.wrong.sum()) for s in answers) < CLUES:
        return ()
    wrong = [s for s in answers if s.wrong.any()]
    if all(not s.got[s.wrong].any() for s in wrong):
        return ("0",)
    return tuple(
        _fitting(_of_some, wrong, True)
        or _common_factor(wrong)
        or _fitting(_of_equation(operation.known.mistakes[0]), wrong, True)
        or _fitting(rearranged, wrong, True)
        or _fitting(of_what_is_given, wrong, True)
        or _fitting(of_other_cotangents, wrong, True)
    )


def _of_some(s: Seen) -> Iterator[Mistaken]:
    if s.call.g is not None and s.call.g.shape == s.got.shape:
        yield "the cotangent", s.call.g
    for r in FEW:
        yield f"{r:.3g} times the truth", r * s.truth


def _common_factor(answers: Sequence[Seen]) -> list[str]:
    """Of the wrong elements alone."""
    with np.errstate(all="ignore"):
        quotients = np.concatenate(
            [s.got[s.wrong].astype(np.float64) / s.truth[s.wrong].astype(np.float64) for s in answers]
        )
    r = float(np.median(quotients))
    if not np.isfinite(r) or abs(r) < LEAST:
        return []
    return _fitting(lambda s: iter([(f"{digits_apart(r, 4)} times the truth", r * s.truth)]), answers, True)


def _is_linear(operation: Operation, s: Seen) -> bool:
    """Whether twice the cotangent gives twice the gradient, which is exact but for underflow."""
    if s.call.g is None:
        return True
    answer = asked(operation, s.call._replace(g=np.asarray(2 * s.call.g))).answer
    double = answer.parts[s.k] if answer else None
    if not isinstance(double, np.ndarray) or not np.isfinite(double).all():
        return True
    format = operation.format
    with np.errstate(all="ignore"):
        off = abs(double.astype(np.float64) - 2 * s.got.astype(np.float64))
        return bool((off <= KAPPA * (format.u * abs(double) + format.tiny)).all())
