"""What is known beforehand: of an activation, of a loss, and of somebody's own operation."""

from collections.abc import Sequence

from reference import Activation, Hinge, Loss
from reference.gradients import Reduction

from ....arrays import Array
from ....bounds.formats import Format
from ....problems.layouts import numbers
from ..asking.calls import Known
from ..drawn import DIFFERENCES, fresh_outputs, moved, spread
from ..forward import Forward
from ..signature import Signature
from .mistakes import equations


def of_activation(sigma: Activation, seed: int) -> Known:
    """Of a named activation: its text, and where it changes."""
    return Known(
        (lambda values, g: equations.of_activation(sigma, values[0], g) if g is not None else (),),
        lambda values, k: {"z": values[0]},
        equations.numbers_of(sigma),
        ("z",),
        fresh=lambda values: ((z,) for z in spread(values[0], seed)),
    )


def of_loss(loss: Loss, reduction: Reduction | None, seed: int) -> Known:
    """Of a named loss."""
    return Known(
        (
            lambda values, g: equations.of_loss(loss, values[0], values[1], reduction),
            lambda values, g: equations.of_loss_reduced_otherwise(loss, values[0], values[1], reduction),
        ),
        lambda values, k: _of_outputs(values, loss),
        equations.numbers_of(loss),
        ("a", "y"),
        fresh=lambda values: fresh_outputs(loss, values[0], values[1], seed),
    )


def of_own_loss(seed: int) -> Known:
    """Of somebody's own loss."""
    return Known(
        traits=lambda values, k: _of_outputs(values, None),
        names=("a", "y"),
        fresh=lambda values: moved(values, 1, seed),
    )


def _of_outputs(values: Sequence[Array], loss: Loss | None) -> dict[str, Array]:
    """What the elements of a loss's gradient are told apart by: of a loss of a - y that, and of a margin y a."""
    a, y = values
    if isinstance(loss, DIFFERENCES):
        return {"a - y": a - y, "y": y, "a": a}
    margin = {"y a": y * a} if isinstance(loss, Hinge) else {} if loss is not None else {"a - y": a - y}
    return {"y": y, **margin, "a": a}


def of_own(signature: Signature, forward: Forward, format: Format, seed: int) -> Known:
    """Of somebody's own operation: what it is given, and what it gives."""

    def traits(values: Sequence[Array], k: int) -> dict[str, Array]:
        others = {f"input {signature.labels[j]}": x for j, x in enumerate(values) if j != k}
        apart = {
            f"input {signature.labels[k]} - input {signature.labels[j]}": values[k] - x
            for j, x in enumerate(values)
            if j != k and x.shape == values[k].shape
        }
        return {"its input": values[k], **others, **apart}

    whole = [numbers(x) for k, x in enumerate(signature.inputs) if k not in signature.moving]
    return Known(
        traits=traits,
        outputs=signature.outputs if len(signature.outputs) > 1 else {},
        indices=tuple(x for x in whole if x.dtype.kind in "iu"),
        fresh=lambda values: moved(values, len(values), seed),
        written=None if signature.plain else signature.written,
        output=forward.plain,
        record=lambda values: forward.record(values)(format, None),
    )
