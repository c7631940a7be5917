"""Equations of the reference, by names or as they are, and whether what is given to them has their shape."""

from typing import Any

from reference import ACTIVATIONS, LOSSES, Activation, LogSoftmax, Loss, Softmax

from ....text.labels import label


def name_of(equation: Activation | Loss) -> str:
    """The name of an activation or a loss."""
    return next(name for name, kind in (ACTIVATIONS | LOSSES).items() if kind is type(equation))


def activation_of(named: Any) -> Activation:
    """The activation of that name or label, or itself; raises where there is none."""
    if isinstance(named, str):
        by_label = {label(f): kind for kind in ACTIVATIONS.values() for f in (kind.apply, kind.pullback)}
        kind = ACTIVATIONS.get(named) or by_label.get(named.strip("()"))
        if kind is None:
            raise ValueError(
                f"equation: expected one of {', '.join(ACTIVATIONS)}, or a label such as A2, got {named!r}"
            )
        return kind()
    if type(named) in ACTIVATIONS.values():
        return named  # type: ignore[no-any-return]
    raise TypeError(f"equation: expected the name or an instance of an activation, got {named!r:.60}")


def loss_of(named: Any) -> tuple[Loss, str]:
    """A loss, and the label of its gradient."""
    if isinstance(named, str):
        name = named.strip("()")
        for key, kind in LOSSES.items():
            own = label(kind.gradient)
            fused = getattr(kind, "delta", None)  # of a loss that is fused with its head; Huber has a number
            delta = label(fused) if callable(fused) else own
            if name in (key, label(kind.value), own, delta):
                return kind(), delta if name == delta else own
        raise ValueError(f"equation: expected one of {', '.join(LOSSES)}, or a label such as L8, got {named!r}")
    if type(named) in LOSSES.values():
        return named, label(type(named).gradient)
    raise TypeError(f"equation: expected the name or an instance of a loss, got {named!r:.60}")


def check_operand(sigma: Activation, given: tuple[Any, ...]) -> None:
    """Raise unless an activation takes these inputs."""
    if len(given) != 1:
        raise ValueError(f"inputs: expected one, the z of {type(sigma).__name__}, got {len(given)}")
    if isinstance(sigma, Softmax | LogSoftmax) and given[0].ndim != 2:
        shape = tuple(given[0].shape)
        raise ValueError(f"inputs: expected shape (samples, units) for {type(sigma).__name__}, got {shape}")


def check_reduced(given: tuple[Any, ...], reduction: Any) -> None:
    """Raise unless these are outputs and targets of one shape, and the reduction is one."""
    if reduction not in (None, "sum", "mean"):
        raise ValueError(f"reduction: expected 'sum', 'mean' or None, got {reduction!r}")
    shape, of_targets = (tuple(x.shape) for x in given)
    if len(shape) != 2 or shape != of_targets:
        raise ValueError(
            f"outputs and targets: expected one shape (samples, units), got {shape} and {of_targets}; "
            f"class indices are to be given as rows with a single 1"
        )
