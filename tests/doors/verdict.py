"""The picture in the README: what `probe` prints of a program that averages its biases' gradients, as an SVG.

``python -m tests.doors.verdict > .github/verdict.svg`` writes it anew.
"""

import io
import re

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from conformance import Report, probe
from conformance.arrays import Array, Network
from conformance.judge.report import shown
from reference import CrossEntropy, ReLU, Softmax, value_and_gradients

TITLE = "probe(averaged_biases, hidden=ReLU(), output=Softmax(), loss=CrossEntropy(), ...)"

FONTS = re.compile(r"@font-face \{\{.*?\}\}\s*", re.S)
"""Of a font that a page would have to fetch; without it the reader's own is taken."""


def averaged_biases(network: Network, x: Array, y: Array) -> list[tuple[Array, Array]]:
    """(B4) with the mean over the batch for the sum."""
    _, gradients = value_and_gradients(network, x, y, CrossEntropy(), "mean")
    return [(gradient.W, gradient.b / len(x)) for gradient in gradients]


def report() -> Report:
    """What is found of it."""
    return probe(
        averaged_biases, hidden=ReLU(), output=Softmax(), loss=CrossEntropy(), reduction="mean",
        dtype="float32", layers=(1, 4),
    )  # fmt: skip


def picture() -> str:
    """The report as a terminal shows it."""
    console = Console(
        record=True, width=100, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False
    )
    console.print(shown(report()))
    return console.export_svg(title=TITLE, unique_id="verdict", code_format=FONTS.sub("", CONSOLE_SVG_FORMAT))


if __name__ == "__main__":
    print(picture())
