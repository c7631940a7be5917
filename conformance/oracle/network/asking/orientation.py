"""Orientation: where an element stands in somebody's own arrays."""

from ....judge.held import Question
from ....judge.report import Finding
from ....subjects.shapes.style import Style


def in_own_arrays(finding: Finding, style: Style) -> Finding:
    """A finding whose element, in the record and in its sentence, is that of the arrays as the subject has them."""
    element, of = finding.element, _array(finding, style)
    own = _turned(element, of, style)
    if own == element:
        return finding
    named = {
        "dW": f"of your dW ({style.weights})",
        "db": f"of your db {style.biases}",
        "samples": f"in your {style.samples} of samples",
    }[of]
    said = finding.explanation.replace(f"at {list(element)} ", f"at {list(own)} {named} ", 1)
    return finding._replace(element=own, explanation=said)


def _array(finding: Finding, style: Style) -> str:
    """What the element is one of: a delta, of a batch that shows none, is told by the gradients that it gives."""
    if len(finding.element) == 1:
        return "db"
    held = finding.question
    batch = isinstance(held, Question) and len(held.x) > 1 and held.answer is not None and held.answer.trace is None
    told = batch and not style.biased and finding.layer > 0
    return "dW" if told or finding.equation in ("B3", "U1", "state") else "samples"


def _turned(element: tuple[int, ...], of: str, style: Style) -> tuple[int, ...]:
    """Where an element of the document's arrays stands in the style's."""
    if len(element) == 2:
        turned = style.weights == "in, out" if of == "dW" else style.samples == "columns"
        return element[::-1] if turned else element
    own = {"(1, n)": (0, *element), "(n, 1)": (*element, 0)}
    return own.get(style.biases, element) if len(element) == 1 else element
