"""The worked example, reference/XOR.md: each of its numbers along three ways; the form of its formulas."""

import contextlib
import io
import math
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import reference
from reference import HalfSquaredError, Layer, Sigmoid, forward, update, value_and_gradients

PACKAGE = Path(reference.__file__).parent
PAGE = (PACKAGE / "XOR.md").read_text()
CODE = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
BLOCK = re.compile(r"^```math\n(?:.*\n)+?```$|^\|.*\|$(?:\n\|.*\|$)*", re.M)
"""What may hold numbers: a formula set off from the text, or a table."""

Vector = list[float]
Matrix = list[Vector]


class Parameters(NamedTuple):
    """Weights and biases, or their gradients, layer by layer: ``W1[j][i]`` leads into unit j from unit i."""

    W1: Matrix
    b1: Vector
    W2: Matrix
    b2: Vector

    def flat(self) -> Vector:
        """All in the order of the page's tables."""
        return [*self.W1[0], *self.W1[1], *self.b1, *self.W2[0], *self.b2]


NAMES = {
    "w_{11}^{(1)}": "weights_input_hidden[0, 0]",
    "w_{12}^{(1)}": "weights_input_hidden[1, 0]",
    "w_{21}^{(1)}": "weights_input_hidden[0, 1]",
    "w_{22}^{(1)}": "weights_input_hidden[1, 1]",
    "b_1^{(1)}": "bias_hidden[0, 0]",
    "b_2^{(1)}": "bias_hidden[0, 1]",
    "w_{11}^{(2)}": "weights_hidden_output[0, 0]",
    "w_{12}^{(2)}": "weights_hidden_output[1, 0]",
    "b_1^{(2)}": "bias_output[0, 0]",
}
"""The parameters in the order of `Parameters.flat`, and where the document's code holds them."""


class Pass(NamedTuple):
    """All quantities of the first step, for each sample s: ``z1[s][j]``, ``z2[s]``; ``slope`` is sigma'(z)."""

    before: Parameters
    z1: Matrix
    a1: Matrix
    z2: Vector
    a2: Vector
    losses: Vector
    g2: Vector
    slope2: Vector
    delta2: Vector
    g1: Matrix
    slope1: Matrix
    delta1: Matrix
    gradient: Parameters
    after: Parameters
    loss_after: float


def run(code: str) -> dict[str, Any]:
    """The variables that code leaves; the state of NumPy's own generator, which it seeds, stays."""
    variables: dict[str, Any] = {}
    state = np.random.get_state()  # noqa: NPY002
    with contextlib.redirect_stdout(io.StringIO()):
        exec(code, variables)
    np.random.set_state(state)  # noqa: NPY002
    return variables


def shaped(flat: Iterable[float]) -> Parameters:
    """The inverse of `Parameters.flat`."""
    w11, w12, w21, w22, b1, b2, v1, v2, c = flat
    return Parameters([[w11, w12], [w21, w22]], [b1, b2], [[v1, v2]], [c])


def parameters(variables: dict[str, Any]) -> Parameters:
    return shaped(float(eval(place, variables)) for place in NAMES.values())


START = run(CODE[0].partition("# Training loop")[0])
X: list[list[int]] = START["inputs"].tolist()
Y: list[int] = START["outputs"][:, 0].tolist()
ETA: float = START["learning_rate"]
"""What the document's code starts from: all that the three ways have in common, with `parameters(START)`."""


def by_the_documents_code() -> Pass:
    """The example itself, which has every sign the other way round, stopped after one step, and after two."""
    once, twice = (run(CODE[0].replace("epochs = 10000", f"epochs = {epochs}")) for epochs in (1, 2))
    before, after = parameters(START), parameters(once)
    slope = once["sigmoid_derivative"]
    return Pass(
        before,
        once["hidden_layer_input"].tolist(),
        once["hidden_layer_output"].tolist(),
        once["output_layer_input"][:, 0].tolist(),
        once["predicted_output"][:, 0].tolist(),
        (once["error"][:, 0] ** 2 / 2).tolist(),
        (-once["error"][:, 0]).tolist(),
        slope(once["predicted_output"])[:, 0].tolist(),
        (-once["d_predicted_output"][:, 0]).tolist(),
        (-once["error_hidden_layer"]).tolist(),
        slope(once["hidden_layer_output"]).tolist(),
        (-once["d_hidden_layer"]).tolist(),
        shaped((p - q) / ETA for p, q in zip(before.flat(), after.flat(), strict=True)),
        after,
        float((twice["error"] ** 2).sum() / 2),
    )


def by_loops() -> Pass:
    """Sums over indices, one number at a time."""
    J, I, S = range(2), range(2), range(4)

    def sigmoid(z: float) -> float:
        return 1 / (1 + math.exp(-z))

    def outputs(p: Parameters) -> tuple[Matrix, Matrix, Vector, Vector]:
        z1 = [[sum(p.W1[j][i] * X[s][i] for i in I) + p.b1[j] for j in J] for s in S]
        a1 = [[sigmoid(z1[s][j]) for j in J] for s in S]
        z2 = [sum(p.W2[0][j] * a1[s][j] for j in J) + p.b2[0] for s in S]
        return z1, a1, z2, [sigmoid(z) for z in z2]

    p = parameters(START)
    z1, a1, z2, a2 = outputs(p)
    g2 = [a2[s] - Y[s] for s in S]
    slope2 = [a2[s] * (1 - a2[s]) for s in S]
    delta2 = [g2[s] * slope2[s] for s in S]
    g1 = [[p.W2[0][j] * delta2[s] for j in J] for s in S]
    slope1 = [[a1[s][j] * (1 - a1[s][j]) for j in J] for s in S]
    delta1 = [[g1[s][j] * slope1[s][j] for j in J] for s in S]
    d = Parameters(
        [[sum(delta1[s][j] * X[s][i] for s in S) for i in I] for j in J],
        [sum(delta1[s][j] for s in S) for j in J],
        [[sum(delta2[s] * a1[s][j] for s in S) for j in J]],
        [sum(delta2)],
    )
    after = Parameters(
        [[p.W1[j][i] - ETA * d.W1[j][i] for i in I] for j in J],
        [p.b1[j] - ETA * d.b1[j] for j in J],
        [[p.W2[0][j] - ETA * d.W2[0][j] for j in J]],
        [p.b2[0] - ETA * d.b2[0]],
    )
    losses = [(Y[s] - a2[s]) ** 2 / 2 for s in S]
    loss_after = sum((Y[s] - outputs(after)[3][s]) ** 2 / 2 for s in S)
    return Pass(p, z1, a1, z2, a2, losses, g2, slope2, delta2, g1, slope1, delta1, d, after, loss_after)


def by_the_reference() -> Pass:
    """The reference, on all samples at once; its loss of each sample alone."""
    before, sigma, loss = parameters(START), Sigmoid(), HalfSquaredError()
    x, y = np.array(X, float), np.array(Y, float)[:, None]
    network = tuple(Layer(np.array(W), np.array(b), sigma) for W, b in ((before.W1, before.b1), (before.W2, before.b2)))
    one, two = forward(network, x)
    _, (of_one, of_two) = value_and_gradients(network, x, y, loss, "sum")
    updated = update(network, (of_one, of_two), ETA)
    slope1, slope2 = (sigma.pullback(step.z, step.a, np.ones_like(step.a)) for step in (one, two))
    losses = [float(value_and_gradients(network, x[[s]], y[[s]], loss, "sum")[0]) for s in range(4)]
    return Pass(
        before, one.z.tolist(), one.a.tolist(), two.z[:, 0].tolist(), two.a[:, 0].tolist(), losses,
        loss.gradient(two.a, y)[:, 0].tolist(), slope2[:, 0].tolist(), of_two.delta[:, 0].tolist(),
        (of_one.delta / slope1).tolist(), slope1.tolist(), of_one.delta.tolist(),
        Parameters(of_one.W.tolist(), of_one.b.tolist(), of_two.W.tolist(), of_two.b.tolist()),
        Parameters(*(part.tolist() for W, b, _ in updated for part in (W, b))),
        float(value_and_gradients(updated, x, y, loss, "sum")[0]),
    )  # fmt: skip


def n(number: float) -> str:
    """Six significant digits."""
    return f"{number:#.6g}"


def factor(number: float) -> str:
    return n(number) if number > 0 else f"({n(number)})"


def formula(*lines: str) -> str:
    return "```math\n\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}\n```"


def summed(name: str, terms: Sequence[str], total: float) -> tuple[str, str]:
    """The sum over four samples, on two lines, for narrow screens."""
    one, two, three, four = terms
    return (
        f"\\frac{{\\partial L}}{{\\partial {name}}} &= {one} + {two}",
        f"&\\quad + {three} + {four} = {n(total)}",
    )


def table(heads: str, rows: Iterable[Iterable[str]]) -> str:
    columns = heads.count("|") + 1
    return "\n".join([f"| {heads} |", "|---" * columns + "|", *(f"| {' | '.join(row)} |" for row in rows)])


def blocks(p: Pass) -> list[str]:
    """All formulas and tables of the page, in its order.  The sample in full is the last, (1, 1)."""
    w, d = p.before, p.gradient
    s, (x1, x2), y = 3, X[3], Y[3]
    samples = [(str(k + 1), str(X[k][0]), str(X[k][1])) for k in range(4)]
    return [
        table("sample | $x_1$ | $x_2$ | $y$", ((*samples[k], str(Y[k])) for k in range(4))),
        table(
            "parameter | in the code | first value",
            ((f"${name}$", f"`{place}`", n(value))
             for (name, place), value in zip(NAMES.items(), w.flat(), strict=True)),
        ),
        formula(*(
            f"z_{j + 1}^{{(1)}} &= {n(w.W1[j][0])} \\cdot {x1} + {n(w.W1[j][1])} \\cdot {x2} + {n(w.b1[j])}"
            f" = {n(p.z1[s][j])}"
            for j in range(2)
        )),
        formula(*(f"a_{j + 1}^{{(1)}} &= 1 / (1 + e^{{-{n(p.z1[s][j])}}}) = {n(p.a1[s][j])}" for j in range(2))),
        formula(
            f"z_1^{{(2)}} &= {n(w.W2[0][0])} \\cdot {n(p.a1[s][0])} + {n(w.W2[0][1])} \\cdot {n(p.a1[s][1])}"
            f" + {n(w.b2[0])} = {n(p.z2[s])}",
            f"a_1^{{(2)}} &= 1 / (1 + e^{{-{n(p.z2[s])}}}) = {n(p.a2[s])}",
        ),
        table(
            "sample | $x_1$ | $x_2$"
            " | $z_1^{(1)}$ | $z_2^{(1)}$ | $a_1^{(1)}$ | $a_2^{(1)}$ | $z_1^{(2)}$ | $a_1^{(2)}$",
            ((*samples[k], *map(n, (*p.z1[k], *p.a1[k], p.z2[k], p.a2[k]))) for k in range(4)),
        ),
        formula(
            f"\\ell &= \\tfrac{{1}}{{2}} ({y} - {n(p.a2[s])})^2 = {n(p.losses[s])}",
            f"L &= {' + '.join(map(n, p.losses))} = {n(sum(p.losses))}",
        ),
        formula(
            f"g_1^{{(2)}} &= {n(p.a2[s])} - {y} = {n(p.g2[s])}",
            f"\\sigma'(z_1^{{(2)}}) &= {n(p.a2[s])} \\cdot (1 - {n(p.a2[s])}) = {n(p.slope2[s])}",
            f"\\delta_1^{{(2)}} &= {n(p.g2[s])} \\cdot {n(p.slope2[s])} = {n(p.delta2[s])}",
        ),
        table(
            "sample | $y$ | $a_1^{(2)}$ | $\\ell$ | $g_1^{(2)}$ | $\\sigma'(z_1^{(2)})$ | $\\delta_1^{(2)}$",
            ((str(k + 1), str(Y[k]), *map(n, (p.a2[k], p.losses[k], p.g2[k], p.slope2[k], p.delta2[k])))
             for k in range(4)),
        ),
        formula(*(
            line
            for j in range(2)
            for line in (
                f"g_{j + 1}^{{(1)}} &= {n(w.W2[0][j])} \\cdot {n(p.delta2[s])} = {n(p.g1[s][j])}",
                f"\\sigma'(z_{j + 1}^{{(1)}}) &= {n(p.a1[s][j])} \\cdot (1 - {n(p.a1[s][j])}) = {n(p.slope1[s][j])}",
                f"\\delta_{j + 1}^{{(1)}} &= {n(p.g1[s][j])} \\cdot {n(p.slope1[s][j])} = {n(p.delta1[s][j])}",
            )
        )),
        table(
            "sample | $g_1^{(1)}$ | $g_2^{(1)}$ | $\\sigma'(z_1^{(1)})$ | $\\sigma'(z_2^{(1)})$"
            " | $\\delta_1^{(1)}$ | $\\delta_2^{(1)}$",
            ((str(k + 1), *map(n, (*p.g1[k], *p.slope1[k], *p.delta1[k]))) for k in range(4)),
        ),
        formula(
            *summed("w_{11}^{(2)}", [f"{factor(p.delta2[k])} \\cdot {n(p.a1[k][0])}" for k in range(4)], d.W2[0][0]),
            *summed("b_1^{(2)}", [factor(p.delta2[k]) for k in range(4)], d.b2[0]),
            *summed("w_{11}^{(1)}", [f"{factor(p.delta1[k][0])} \\cdot {X[k][0]}" for k in range(4)], d.W1[0][0]),
            *summed("b_1^{(1)}", [factor(p.delta1[k][0]) for k in range(4)], d.b1[0]),
        ),
        formula(
            f"w_{{11}}^{{(2)}} &\\gets {n(w.W2[0][0])} - {ETA} \\cdot {n(d.W2[0][0])} = {n(p.after.W2[0][0])}",
            f"b_1^{{(2)}} &\\gets {n(w.b2[0])} - {ETA} \\cdot {n(d.b2[0])} = {n(p.after.b2[0])}",
        ),
        table(
            "parameter | before | $\\partial L / \\partial$ parameter | after",
            ((f"${name}$", *map(n, numbers))
             for name, *numbers in zip(NAMES, w.flat(), d.flat(), p.after.flat(), strict=True)),
        ),
        formula(
            f"L_{{\\text{{after}}}} - L &= {n(p.loss_after)} - {n(sum(p.losses))} = {n(p.loss_after - sum(p.losses))}",
            f"-\\eta \\textstyle\\sum (\\partial L / \\partial \\text{{parameter}})^2 &= -{ETA}"
            f" \\cdot {n(sum(g * g for g in d.flat()))} = {n(-ETA * sum(g * g for g in d.flat()))}",
        ),
    ]  # fmt: skip


@pytest.mark.parametrize("way", [by_the_documents_code, by_loops, by_the_reference])
def test_every_number_of_the_page(way: Callable[[], Pass]) -> None:
    assert BLOCK.findall(PAGE) == blocks(way())


def test_the_code_is_run_for_one_step_and_for_two() -> None:
    """Else `by_the_documents_code` would be the whole training."""
    assert len(CODE) == 1
    assert CODE[0].count("epochs = 10000") == CODE[0].count("# Training loop") == 1


def test_numbers_stand_only_where_they_are_checked() -> None:
    """The prose between formulas and tables has none: labels, links, code, and the indices of inline symbols aside."""
    prose = BLOCK.sub("", PAGE.replace(f"```python\n{CODE[0]}```", ""))
    symbols = re.findall(r"\$([^$]+)\$", prose)
    assert symbols
    assert not [symbol for symbol in symbols if re.search(r"\d\.|\d\d", symbol)]
    words = re.sub(r"\$[^$]+\$|`[^`\n]+`|\([A-Z]\d+\)", "", prose)
    assert not re.findall(r"\d", words)


@pytest.mark.parametrize("page", ["EQUATIONS.md", "XOR.md"])
def test_formulas_in_the_text_survive_markdown(page: str) -> None:
    """GitHub reads Markdown first: a backslash before a sign vanishes, an underscore after one may start italics."""
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", (PACKAGE / page).read_text(), flags=re.M | re.S)
    for line in text.splitlines():
        assert line.count("$") % 2 == 0, line
    formulas = re.findall(r"\$([^$]+)\$", text)
    assert formulas
    assert not [formula for formula in formulas if re.search(r"(?<![A-Za-z0-9])_|\\[^A-Za-z]|[*|~]|<[A-Za-z]", formula)]
