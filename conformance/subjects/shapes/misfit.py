"""A misfit: what came has other shapes than were declared, and nothing can be judged."""

from collections.abc import Iterable, Mapping

from ...problems.wire import Malformed
from .style import OURS, Style, returned_by


class Misfit(Malformed):
    """What was returned does not fit the style that is declared: ``said`` in a line, and in the message what mends it.

    ``styles`` are those under which it would fit, those that differ in least first.
    """

    def __init__(self, said: str, style: Style = OURS, styles: tuple[Style, ...] = ()) -> None:
        super().__init__(f"{said}{mending(style, styles[0])}" if styles else said)
        self.said, self.styles = said, styles


WORDS: Mapping[str, Mapping[object, str]] = {
    "weights": {"in, out": "weights stored (in, out)", "out, in": "weights stored (out, in)"},
    "samples": {"columns": "samples in columns", "rows": "samples in rows"},
    "biases": {
        "(n,)": "biases (n,)", "(1, n)": "biases (1, n)", "(n, 1)": "biases (n, 1)", "none": "no biases at all",
    },
    "parameters": {
        "layers": "the network as layers of (W, b, sigma)", "pairs": "the network as pairs (W, b)",
        "in turn": "the parameters in turn, W1, b1, W2, ...", "weights, biases": "all weights, then all biases",
        "biases, weights": "all biases, then all weights",
    },
    "returns": {
        "pairs": "returned in pairs (dW, db)", "in turn": "returned in turn, dW1, db1, dW2, ...",
        "weights, biases": "returned as all dW, then all db", "biases, weights": "returned as all db, then all dW",
    },
    "indices": {True: "targets as class indices", False: "targets as rows"},
}  # fmt: skip
"""What each option says, in words."""

RETURN = {"weights": "dW.T", "biases": "db in that shape"}
"""What may be returned instead, where that alone mends it."""


def changed(style: Style, other: Style) -> list[str]:
    """The fields in which two styles differ."""
    return [name for name in Style._fields if getattr(style, name) != getattr(other, name)]


def mending(style: Style, other: Style) -> str:
    """The options that say what came, or would be taken, as the rest of a line."""
    names = changed(style, other)
    if "parameters" in names and "returns" in names and other.returns == returned_by(other.parameters):
        names.remove("returns")
    words = ", ".join(WORDS[name].get(getattr(other, name), f"names {getattr(other, name)}") for name in names)
    said = ", ".join(
        'targets="indices"' if name == "indices" else f"{name}={_quoted(getattr(other, name))}" for name in names
    )
    instead = f"; or return {RETURN[names[0]]}" if len(names) == 1 and names[0] in RETURN else ""
    return f": {words}? say {said}{instead}"


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value).replace("'", '"')


def in_common(misfits: Iterable[Misfit]) -> tuple[Style, ...]:
    """The styles under which all of them would fit, those that differ in least first."""
    first, *rest = misfits
    return tuple(style for style in first.styles if all(style in other.styles for other in rest))
