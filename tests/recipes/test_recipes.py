"""Each recipe of the README: right code conforms, and core mistakes planted in it are found in the right equation."""

import ast
import io
import tokenize
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import conformance
from conformance import Report

pytestmark = pytest.mark.sampled(3)

PROGRAMS = Path(__file__).parent / "programs"
MOST = 3
"""Lines of adapter beside the call."""


class Recipe(NamedTuple):
    """What your code has, what is written to ask it, and mistakes: what stands in it, what else, what that breaks."""

    has: str
    program: str
    write: str
    mistakes: tuple[tuple[str, str, str], ...]


RECIPES = {
    "columns, a sample at a time": Recipe(
        "a network class with lists of weights (out, in) and biases (n, 1), one column at a time",
        "columns",
        """
net = Network([1])
put = lambda weights, biases: vars(net).update(weights=weights, biases=biases, num_layers=len(weights) + 1)
probe(asked_by(put, net.backprop), samples="columns", biases="(n, 1)", batch=(1, 1),
      parameters="weights, biases", returns="biases, weights")
""",
        (
            (" * sigmoid_prime(zs[-l])", "", "B2"),
            (" * sigmoid_prime(zs[-1])", "", "B1"),
            ("sigmoid_prime(zs[-l])", "sigmoid_prime(activations[-l])", "B2"),
            ("nabla_b[-1] = delta", "nabla_b[-1] = 2 * delta", "B4"),
            ("np.dot(delta, activations[-l - 1].transpose())", "-np.dot(delta, activations[-l - 1].transpose())", "B3"),
        ),
    ),
    "columns, mini-batches": Recipe(
        "the same class, by its steps",
        "columns",
        """
def train(weights, biases, x, y, eta, net=Network([1])):
    vars(net).update(weights=weights, biases=biases, num_layers=len(weights) + 1)
    net.update_mini_batch([(x[:, [i]], y[:, [i]]) for i in range(x.shape[1])], eta)
    return net.weights, net.biases
probe_trainer(train, samples="columns", biases="(n, 1)", parameters="weights, biases", reduction="mean")
""",
        ((" / len(mini_batch)", "", "batch"), (" * sigmoid_prime(zs[-l])", "", "B2")),
    ),
    "affine layers": Recipe(
        "forward and backward functions of single layers, weights (in, out)",
        "course",
        """
def mine(network, x, y):
    (out, cache), = [affine_forward(x, W, b) for W, b, _ in network]
    return [affine_backward(out - y, cache)[1:]]
probe(mine, weights="in, out", layers=(1, 1), output="identity")
""",
        (
            ("dw = x.T.dot(dout)", "dw = x.T.dot(dout) / len(x)", "B3"),
            ("db = dout.sum", "db = dout.mean", "B4"),
        ),
    ),
    "a dict of parameters": Recipe(
        "a class with a dict of parameters, weights (in, out), class indices, a softmax loss, reg |W|^2",
        "course",
        """
net = TwoLayerNet(4, 7, 5)
probe(asked_by(lambda params: vars(net).update(params=params), lambda x, y: net.loss(x, y, reg=0.1)),
      parameters=("W{l}", "b{l}"), weights="in, out", targets="indices", layers=(2, 2), hidden="relu",
      output="softmax", loss="cross_entropy", reduction="mean", l2=0.2)
""",
        (
            ("        dhidden[hidden <= 0] = 0\n", "", "B2"),
            ("dscores /= N", "pass", "batch"),
            ("+ 2 * reg * W1", "", "B3"),
            ("2 * reg * W2", "reg * W2", "B3"),
            ('"b1": dhidden.sum(axis=0)', '"b1": dhidden.sum(axis=0) + 2 * reg * b1', "B4"),
            ("+ reg * (np.sum(W1 * W1)", "+ 0.5 * reg * (np.sum(W1 * W1)", "L"),
        ),
    ),
    "a list of layers": Recipe(
        "a list of layers that keep their gradients, weights (in, out), biases (1, n), the mean over all elements",
        "layers",
        """
dense = [Dense(4, 7), Dense(7, 6), Dense(6, 5)]
model = Model([dense[0], Tanh(), dense[1], Tanh(), dense[2]])
put = lambda network: [vars(layer).update(W=W, b=b) for layer, (W, b, _) in zip(dense, network)]
probe(asked_by(put, model.train_on, lambda: [(layer.dW, layer.db) for layer in dense]), widths=(4, 7, 6, 5),
      weights="in, out", biases="(1, n)", hidden="tanh", output="identity", loss="mean_squared_error",
      reduction="mean")
""",
        (
            (" * (1 - self.a**2)", "", "B2"),
            ("(1 - self.a**2)", "(1 - self.a)", "B2"),
            ("/ x.size", "/ len(x)", "B1"),
            ("self.dW = self.x.T @ g", "self.dW = self.x.T @ g / len(g)", "B3"),
            ("self.db = g.sum", "self.db = g.mean", "B4"),
        ),
    ),
    "a script": Recipe(
        "a script of a few lines, two matrices (in, out), no biases, steps of rate 1 uphill",
        "script",
        """
def train(weights, x, y, eta):
    if eta != 1: raise ValueError("the script has no rate")
    return step(*weights, x, y)
probe_trainer(train, weights="in, out", biases="none", parameters="in turn", layers=(2, 2))
""",
        (
            (".dot(syn1.T) * (l1 * (1 - l1))", ".dot(syn1.T)", "B2"),
            ("* (l2 * (1 - l2))", "", "B1"),
            ("syn1 = syn1 + l1.T.dot(l2_delta)", "syn1 = syn1 + l1.T.dot(l2_delta) / len(X)", "B"),
        ),
    ),
    "a trainer": Recipe(
        "a step of training that changes a list of parameters, with weight decay",
        "trainer",
        """
probe_trainer(lambda params, x, y, eta: train_step(params, x, y, eta, 0.01), weights="in, out",
              parameters="in turn", layers=(2, 2), hidden="tanh", output="softmax", loss="cross_entropy",
              targets="one-hot", reduction="mean", l2=0.01)
""",
        (
            (" * (1 - h**2)", "", "B2"),
            ("d = (p - y) / len(x)", "d = (p - y)", "batch"),
            ("x.T @ dh + decay * W1", "x.T @ dh", "B3"),
            ("h.T @ d + decay * W2", "h.T @ d - decay * W2", "B3"),
        ),
    ),
    "a loss for jax.grad": Recipe(
        "a loss as a function of parameters, differentiated by a library",
        "functional",
        """
probe(jax.grad(loss), parameters="pairs", weights="in, out", hidden="tanh", output="identity",
      reduction="mean", l2=0.01, widths=(4, 7, 5), batch=(1, 4))
""",
        (
            ("x = jnp.tanh(x @ V + c)", "x = jax.lax.stop_gradient(jnp.tanh(x @ V + c))", "B2"),
            ("0.005 * squares", "0.01 * squares", "B3"),
            (" / x.shape[0]", "", "batch"),
        ),
    ),
    "scalars": Recipe(
        "neurons of scalars that remember their gradients",
        "scalars",
        """
mlp = MLP(4, [7, 1])
put = lambda network: [vars(n).update(w=[Value(v) for v in w], b=Value(c))
                       for of, (W, b, _) in zip(mlp.layers, network) for n, w, c in zip(of, W.tolist(), b.tolist())]
read = lambda: [([[w.grad for w in n.w] for n in of], [n.b.grad for n in of]) for of in mlp.layers]
probe(asked_by(put, lambda x, y: squared_error(mlp, x.tolist(), y.tolist()).backward(), read), widths=(4, 7, 1),
      hidden="tanh", output="tanh", loss="mean_squared_error", batch=(1, 4))
""",
        (
            ("(1 - t**2) * out.grad", "(1 - t) * out.grad", "B1"),
            ("self.grad += other.data * out.grad", "self.grad = other.data * out.grad", "B"),
            ("total = total + off * off", "total = off * off", "batch"),
        ),
    ),
    "an activation and a loss": Recipe(
        "an activation or a loss of your own",
        "own",
        """
probe(gradients, hidden=Bent(), output=Bent(), loss=Quartic(), width=(1, 16))
""",
        (
            ("d = g * (1 + z / (2 * np.hypot(z, 1)))", "d = g * (1 + z / np.hypot(z, 1))", "B1"),
            ("(seen[-1] - y) ** 3", "(seen[-1] - y)", "B1"),
            ("d.sum(axis=0)", "d.mean(axis=0)", "B4"),
        ),
    ),
}


def asked(recipe: Recipe, old: str = "", new: str = "") -> Report:
    """What is said of a program, with something else in its text or as it is."""
    text = (PROGRAMS / f"{recipe.program}.py").read_text()
    assert old in text
    module = ModuleType(recipe.program)
    exec(compile(text.replace(old, new), recipe.program, "exec"), vars(module))
    names = vars(module) | {name: getattr(conformance, name) for name in ("probe", "probe_trainer", "asked_by")}
    if "jax" in recipe.write:
        jax: Any = pytest.importorskip("jax")
        jax.config.update("jax_enable_x64", True)
        vars(module)["jax"] = names["jax"] = jax
    tree = ast.parse(recipe.write)
    last = tree.body.pop()
    assert isinstance(last, ast.Expr)
    exec(compile(tree, "adapter", "exec"), names)
    report: Report = eval(compile(ast.Expression(last.value), "call", "eval"), names)
    return report


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_three_lines_beside_the_call(name: str) -> None:
    tokens = tokenize.generate_tokens(io.StringIO(RECIPES[name].write).readline)
    assert sum(token.type == tokenize.NEWLINE for token in tokens) - 1 <= MOST + ("def " in RECIPES[name].write)


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_a_recipe_is_told_as_it_is_run(recipe: Recipe) -> None:
    """Whole on its page, and its last call in the README's table."""
    page, readme = (ROOT / "conformance" / "guide" / "RECIPES.md").read_text(), (ROOT / "README.md").read_text()
    assert f"## {recipe.has[0].upper()}{recipe.has[1:]}\n" in page
    assert f"programs/{recipe.program}.py)" in page
    assert f"```python\n{recipe.write.strip()}\n```" in page
    call = max(recipe.write.rpartition(f"\n{door}(") for door in ("probe", "probe_trainer"))
    row = f"| {recipe.has} | `{call[1].strip()}{' '.join(call[2].split())}` |"
    assert row.replace("|W|", r"\|W\|") in readme


@pytest.mark.parametrize("name", RECIPES)
def test_right_code_conforms(name: str) -> None:
    report = asked(RECIPES[name])
    assert report.verdict == "CONFORMS", f"\n{report}"


CASES = [(name, *mistake) for name, recipe in RECIPES.items() for mistake in recipe.mistakes]


@pytest.mark.parametrize(("name", "old", "new", "equation"), CASES)
def test_a_mistake_is_found(name: str, old: str, new: str, equation: str) -> None:
    report = asked(RECIPES[name], old, new)
    assert report.verdict == "WRONG", f"\n{report}"
    assert report.findings[0].equation.startswith(equation), f"\n{report}"
