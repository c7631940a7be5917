"""Extras: which of them brings a package that is missing, so that whoever lacks it is told what to install."""

from collections.abc import Iterator
from contextlib import contextmanager

BRINGS = {
    "oracle": ("flint", "pydantic", "rich", "scipy", "typer"),
    "torch": ("array_api_compat", "torch"),
    "plot": ("matplotlib",),
    "suite": ("hypothesis", "pytest", "safetensors", "sklearn", "sympy", "threadpoolctl", "xdist"),
    "bench": ("jax",),
}
"""The packages of each extra, by the names that they are imported by; where two have one, that which brings less."""


def advice(missing: ModuleNotFoundError) -> str | None:
    """Which package is missing and what brings it, in a line; None where it is in no extra, but a mistake."""
    package = (missing.name or "").partition(".")[0]
    extra = next((extra for extra, packages in BRINGS.items() if package in packages), None)
    if extra is None:
        return None
    return f"expected the package {package}, found none; pip install 'backpropagation-reference[{extra}]' brings it"


@contextmanager
def told(wanted: str) -> Iterator[None]:
    """Import within, for what is wanted; raise ModuleNotFoundError with the advice where a package is missing."""
    try:
        yield
    except ModuleNotFoundError as missing:
        said = advice(missing)
        if said is None:
            raise
        raise ModuleNotFoundError(f"{wanted}: {said}", name=missing.name) from None
