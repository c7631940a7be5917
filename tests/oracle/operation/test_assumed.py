"""What is assumed of functions, and known of them."""

from typing import Any

import numpy as np
import pytest
import torch
from flint import arb
from scipy import special

from conformance.bounds.assumptions import KAPPA, KAPPA_HALF
from conformance.bounds.formats import NAMED_FORMATS
from conformance.judge.verdict import CONFORMS, WRONG
from conformance.numbers.balls import precise
from conformance.numbers.derivatives import FUNCTIONS
from conformance.oracle.operation.operation import by_autograd, check_pullback
from conformance.problems.layouts import broadcast, layouts, like, numbers, repeated

from .operations import DTYPES, generic, tensor

pytestmark = pytest.mark.sampled(5)


@pytest.mark.parametrize("name", FUNCTIONS)
@precise
def test_derivatives_of_functions(name: str) -> None:
    """Against a central difference, which is off by h^2 / 6 of a third derivative: below h here."""
    f, h = FUNCTIONS[name], arb(2) ** -80
    for x in (arb("0.3125"), arb("-0.625")) if not name.startswith(("log", "sqrt")) else (arb("0.3125"), arb("0.75")):
        difference = (f.value(x + h) - f.value(x - h)) / (2 * h)
        assert abs(difference - f.slope(x, f.value(x))) < h


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_functions(dtype: str) -> None:
    """For every finite number: what KAPPA_HALF assumes."""
    format, patterns = NAMED_FORMATS[dtype], np.arange(2**16, dtype=np.uint16)
    every = patterns.view(np.float16) if dtype == "float16" else (patterns.astype(np.uint32) << 16).view(np.float32)
    x = every[np.isfinite(every)]
    for name in FUNCTIONS:
        with np.errstate(all="ignore"):
            of_scipy = name in ("erf", "erfc", "expit")
            true = getattr(special if of_scipy else np, name)(x.astype(np.float64))
            answers = [numbers(getattr(torch.special if of_scipy else torch, name)(tensor(x, dtype)))]
            if dtype == "float16" and not of_scipy:
                answers.append(getattr(np, name)(x))
            # Beyond half of the largest number (e^x - e^-x) / 2 overflows.
            normal = (abs(true) >= format.tiny) & (abs(true) <= format.largest / 2)
            for got in answers:
                # PyTorch's erf errs absolutely: by half of 4.2e-7 at 1.8e-7, in bfloat16.
                size = abs(true[normal]) + (name == "erf")
                off = abs(got.astype(np.float64) - true)[normal] / (format.u * size)
                assert off.max() <= KAPPA_HALF / 2


@pytest.mark.parametrize(("dtype", "by"), [("float16", 1.0625), ("bfloat16", 1.375)])
def test_half_precision_finds_more_by_that(dtype: str, by: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def own(z: Any) -> Any:
        return 1 / (1 + (np if isinstance(z, np.ndarray) else torch).exp(-z))

    def too_much(z: torch.Tensor, g: torch.Tensor) -> Any:
        return by * by_autograd(torch.sigmoid)(z, g)[0]

    z = tensor(generic("float32"), dtype)
    assert check_pullback(own, too_much, z).verdict == WRONG
    monkeypatch.setitem(NAMED_FORMATS, dtype, NAMED_FORMATS[dtype]._replace(kappa=KAPPA))
    assert check_pullback(own, too_much, z).verdict == CONFORMS


@pytest.mark.parametrize("dtype", DTYPES)
def test_layouts_hold_the_same_numbers(dtype: str) -> None:
    x = generic("float32", (3, 4, 5))
    kinds: list[Any] = [tensor(x, dtype)] if dtype == "bfloat16" else [tensor(x, dtype), x.astype(dtype)]
    for kind in kinds:
        plain = numbers(kind)
        laid_out = {name: layout(plain, kind) for name, layout in layouts(kind)}
        assert len(laid_out) == (2 if isinstance(kind, torch.Tensor) else 3)
        for array in laid_out.values():
            assert (array.dtype, np.array_equal(numbers(array), plain)) == (kind.dtype, True)
            assert numbers(like(plain, kind)).tobytes() == plain.tobytes()
        spread = broadcast(repeated(plain), kind)
        assert np.array_equal(numbers(spread), repeated(plain))
        strides = [a.stride() if isinstance(a, torch.Tensor) else a.strides for a in (*laid_out.values(), spread)]
        contiguous = kind.stride() if isinstance(kind, torch.Tensor) else kind.strides
        assert len({contiguous, *strides}) == len(strides) + 1
