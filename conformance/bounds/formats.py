"""The formats in which an operation can be judged, half precision among them, and what inputs have one."""

from typing import Any, NamedTuple

import numpy as np

from ..problems.layouts import dtype_name, is_tensor, numbers
from .assumptions import KAPPA, KAPPA_HALF, LONG, PARTS_OF_LONG, PARTS_OF_SHORT
from .radii import EPSILON, gamma


class Format(NamedTuple):
    """A floating-point format to be judged.

    ``u`` is its unit roundoff, ``tiny`` its smallest normal and ``largest`` its largest number; midpoints are computed
    in ``wide``, whose own rounding is counted in ``u``.  ``kappa`` is the error of library functions, ``accumulator``
    the unit roundoff in which a sum is added up before it is rounded, if declared, ``name`` its name, if no dtype's.
    """

    dtype: np.dtype[Any]
    wide: type[np.floating[Any]]
    u: float
    tiny: float
    largest: float
    kappa: int = KAPPA
    accumulator: float | None = None
    name: str = ""

    def lost(self, n: int) -> float:
        """The relative error of n roundings in a sum; with an accumulator those in that, few in the format."""
        plain, few = gamma(n, self.u), PARTS_OF_SHORT if n <= LONG else PARTS_OF_LONG
        return plain if self.accumulator is None else min(plain, gamma(n, self.accumulator) + gamma(few, self.u))


def _format(dtype: type[np.floating[Any]], wide: type[np.floating[Any]]) -> Format:
    info = np.finfo(dtype)
    # Where the platform's long double is no wider than float64, this doubles the bound and keeps it sound.
    u = float(info.eps) / 2 + float(np.finfo(wide).eps)
    return Format(np.dtype(dtype), wide, u, float(info.tiny), float(info.max))


FORMATS = {f.dtype: f for f in (_format(np.float32, np.float64), _format(np.float64, np.longdouble))}
"""The formats that can be judged, by dtype."""

NAMED_FORMATS: dict[str, Format] = {
    "float16": Format(np.dtype(np.float16), np.float64, 2.0**-11 + EPSILON, 2.0**-14, 65504.0, KAPPA_HALF),
    "bfloat16": Format(
        np.dtype(np.float32),
        np.float64,
        2.0**-8 + EPSILON,
        2.0**-126,
        float(np.finfo(np.float32).max) * (1 - 2.0**-8),
        KAPPA_HALF,
    ),
    "float32": FORMATS[np.dtype(np.float32)],
    "float64": FORMATS[np.dtype(np.float64)],
}
"""The formats in which an operation can be judged."""


def held_in_float32(name: str) -> Format:
    """The half-precision format of that name, its numbers held in float32 and its sums added up in that."""
    format = NAMED_FORMATS[name]._replace(dtype=np.dtype(np.float32), name=name)
    return accumulating(format, "float32")


def format_of(x: Any) -> Format:
    """The format of an array or tensor of a dtype in `NAMED_FORMATS`."""
    return NAMED_FORMATS[dtype_name(x)]


def accumulating(format: Format, name: str | None) -> Format:
    """A format whose sums are added up in the format of that name, if one is declared.

    Raises
    ------
    ValueError
        Naming an accumulator that is unknown, or narrower than the format itself.
    """
    if name is None:
        return format
    known = [n for n, other in NAMED_FORMATS.items() if other.u <= format.u and other.largest >= format.largest]
    if name not in known:
        raise ValueError(f"accumulator: expected one of {', '.join(known)}, or None, got {name!r}")
    # The midpoints' own rounding is counted, as it is in u.
    return format._replace(accumulator=NAMED_FORMATS[name].u + float(np.finfo(format.wide).eps))


def check_inputs(inputs: Any) -> tuple[Any, ...]:
    """The inputs as a tuple: arrays or tensors of one floating dtype, not empty, and finite.

    Raises
    ------
    TypeError, ValueError
        Naming the input that is something else.
    """
    given = tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    if not given:
        raise ValueError("inputs: expected at least one array, got none")
    for k, x in enumerate(given, start=1):
        if not isinstance(x, np.ndarray) and not is_tensor(x):
            raise TypeError(f"input {k}: expected a NumPy array or a PyTorch tensor, got {type(x).__name__}")
        if dtype_name(x) not in NAMED_FORMATS:
            raise TypeError(
                f"input {k}: expected dtype {', '.join(NAMED_FORMATS)}, got {x.dtype}; what is not to be "
                f"differentiated, such as indices, belongs into the functions themselves"
            )
        if _kind(x) != _kind(given[0]):
            raise TypeError(f"input {k}: expected {_kind(given[0])}, as input 1 is, got {_kind(x)}")
        if 0 in x.shape:
            raise ValueError(f"input {k}: expected numbers, got an empty array of shape {tuple(x.shape)}")
        if not np.isfinite(numbers(x)).all():
            raise ValueError(f"input {k}: expected finite numbers")
    return given


def _kind(x: Any) -> str:
    return f"a {'tensor' if is_tensor(x) else 'NumPy array'} of dtype {dtype_name(x)}"
