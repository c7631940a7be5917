"""The protocol's JSON: problems and answers come back to the bit."""

import json
from decimal import Decimal
from inspect import signature
from math import inf, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from conformance.arrays import Array
from conformance.problems.problem import GivenAnswer, Parameters, Problem, State
from conformance.problems.strategies import problems
from conformance.problems.wire import (
    Refused,
    answer_json,
    parse_answer,
    parse_problem,
    problem_json,
)
from reference import (
    ACTIVATIONS,
    LOSSES,
    Hardtanh,
    Huber,
    Identity,
    Layer,
    LeakyReLU,
    Softplus,
    Tanh,
)
from reference.losses import REQUIRED_HEAD

from .examples import PROBLEM, REPLY, REQUEST, W1, W2, X, Y, b1, b2, given_answer


def in_dtype(problem: Problem, dtype: str) -> Problem:
    network = tuple(Layer(W.astype(dtype), b.astype(dtype), sigma) for W, b, sigma in problem.network)
    return problem._replace(network=network, x=problem.x.astype(dtype), y=problem.y.astype(dtype))


def bits(array: Array | None) -> Any:
    """All there is to an array; NaN has many patterns, of which the wire carries none."""
    if array is None:
        return None
    assert not np.iscomplexobj(array)
    return array.dtype.str, array.shape, np.where(np.isnan(array), nan, array).astype(array.dtype).tobytes()


def problem_bits(problem: Problem) -> Any:
    layers = [(bits(W), bits(b), sigma) for W, b, sigma in problem.network]
    return layers, bits(problem.x), bits(problem.y), problem.loss, problem.reduction, problem.eta


def answer_bits(answer: GivenAnswer) -> Any:
    return (
        [[bits(array) for array in parameters] for parameters in answer.gradients],
        bits(answer.loss),
        bits(answer.output),
        bits(answer.input_gradient),
        answer.trace and [[bits(array) for array in state] for state in answer.trace],
    )


@given(problems())
def test_a_problem_comes_back_to_the_bit(problem: Problem) -> None:
    text = problem_json(problem)
    assert "\n" not in text
    assert problem_bits(parse_problem(text, problem.eta)) == problem_bits(problem)
    assert problem_bits(parse_problem(text.encode())) == problem_bits(problem._replace(eta=0.0))


@given(problems())
def test_an_answer_comes_back_to_the_bit(problem: Problem) -> None:
    answer = given_answer(problem)
    text = answer_json(answer)
    assert "\n" not in text
    assert answer_bits(parse_answer(text, problem)) == answer_bits(answer)
    bare = GivenAnswer(answer.gradients)
    assert answer_bits(parse_answer(answer_json(bare), problem)) == answer_bits(bare)


PARAMETERS = {"min_val": -2.5, "weight": (0.5, 3), "label_smoothing": 0.1}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_activation(name: str, dtype: str) -> None:
    kind = ACTIVATIONS[name]
    sigma = kind(**{parameter: PARAMETERS.get(parameter, 1.7) for parameter in signature(kind).parameters})
    for varied in (sigma, kind()):
        problem = in_dtype(PROBLEM._replace(network=(Layer(W1, b1, varied), PROBLEM.network[1])), dtype)
        assert problem_bits(parse_problem(problem_json(problem))) == problem_bits(problem)
        asked = json.loads(problem_json(problem))["layers"][0]["activation"]
        assert asked == {"name": name, **vars(varied)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LOSSES)
def test_every_loss(name: str, dtype: str) -> None:
    kind = LOSSES[name]
    head = REQUIRED_HEAD.get(kind, Identity)()
    loss = kind(**{parameter: PARAMETERS.get(parameter, 1.7) for parameter in signature(kind).parameters})
    for varied in (loss, kind()):
        network = (PROBLEM.network[0], Layer(W2, b2, head))
        problem = in_dtype(PROBLEM._replace(network=network, loss=varied, reduction="sum"), dtype)
        assert problem_bits(parse_problem(problem_json(problem))) == problem_bits(problem)
        asked = json.loads(problem_json(problem))["loss"]
        listed = {parameter: list(p) if isinstance(p, tuple) else p for parameter, p in vars(varied).items()}
        assert asked == {"name": name, "reduction": "sum", **listed}


@pytest.mark.parametrize(
    "sigma", [Softplus(2, inf), Hardtanh(-inf, inf), Hardtanh(-inf, -0.0), Hardtanh(-3, 5), LeakyReLU(5e-324)]
)
def test_parameters_may_be_infinite(sigma: Any) -> None:
    problem = PROBLEM._replace(network=(Layer(W1, b1, sigma), PROBLEM.network[1]), loss=Huber(inf))
    text = problem_json(problem)
    back = parse_problem(text)
    assert back.network[0].sigma == sigma
    assert str(back.network[0].sigma) == str(type(sigma)(*map(float, vars(sigma).values())))  # the sign of zero
    assert back.loss == Huber(inf)
    assert json.loads(text, parse_constant=pytest.fail)  # strict JSON


def numbers(dtype: str, **finite: bool) -> st.SearchStrategy[float]:
    """Any, with the ends of the range."""
    ends = np.finfo(dtype)
    special = [0.0, -0.0, *map(float, (ends.smallest_subnormal, ends.tiny, ends.max, ends.min))]
    return st.sampled_from(special) | st.floats(width=np.dtype(dtype).itemsize * 8, **finite)  # type: ignore[arg-type]


@given(st.data())
def test_every_finite_number(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(("float32", "float64")))
    finite = numbers(dtype, allow_nan=False, allow_infinity=False)
    W, b, x = (data.draw(hnp.arrays(dtype, shape, elements=finite)) for shape in ((4, 3), (4,), (5, 3)))
    problem = in_dtype(PROBLEM._replace(network=(Layer(W, b, Tanh()), PROBLEM.network[1]), x=x), dtype)
    assert problem_bits(parse_problem(problem_json(problem))) == problem_bits(problem)


@given(st.data())
def test_every_number_of_an_answer(data: st.DataObject) -> None:
    dtype = data.draw(st.sampled_from(("float32", "float64")))

    def array(*shape: int) -> Array:
        drawn: Array = data.draw(hnp.arrays(dtype, shape, elements=numbers(dtype)))
        return drawn

    answer = GivenAnswer(
        (Parameters(array(4, 3), array(4)), Parameters(array(2, 4), array(2))),
        array(),
        array(5, 2),
        array(5, 3),
        (State(array(5, 4), array(5, 4), array(5, 4)), State(array(5, 2), array(5, 2), array(5, 2))),
    )
    text = answer_json(answer)
    json.loads(text, parse_constant=pytest.fail)
    assert answer_bits(parse_answer(text, in_dtype(PROBLEM, dtype))) == answer_bits(answer)


def test_other_layouts_are_written_alike() -> None:
    strided = np.zeros((8, 6))[::2, ::2] + W1
    network = (Layer(np.asfortranarray(strided), b1, Tanh()), PROBLEM.network[1])
    assert problem_json(PROBLEM._replace(network=network)) == problem_json(PROBLEM)


EXAMPLE = """
{"cmd": "gradients", "id": 7, "dtype": "float64",
 "layers": [{"W": [[0.1, 0.2], [0.3, 0.4]], "b": [0.5, 0.6], "activation": {"name": "sigmoid"}},
            {"W": [[0.7, 0.8]], "b": [0.9], "activation": {"name": "sigmoid"}}],
 "loss": {"name": "half_squared_error", "reduction": "sum"},
 "x": [[0, 1], [1, 0]], "y": [[1], [1]]}
"""


def test_the_protocols_example() -> None:
    problem = parse_problem(EXAMPLE, eta=0.5)
    assert [layer.W.tolist() for layer in problem.network] == [[[0.1, 0.2], [0.3, 0.4]], [[0.7, 0.8]]]
    assert (problem.x.tolist(), problem.y.tolist(), problem.eta) == ([[0, 1], [1, 0]], [[1], [1]], 0.5)
    answer = parse_answer(
        '{"id": 7, "gradients": [{"W": [[0.0, -0], [NaN, null]], "b": ["NaN", "-Infinity"]},'
        ' {"W": [[1e999, -1e999]], "b": [Infinity], "note": "later"}], "loss": null, "output": null, "later": {}}',
        problem,
    )
    (first, second), loss = answer.gradients, answer.loss
    np.testing.assert_array_equal(first.W, [[0, 0], [nan, nan]])
    assert np.signbit(first.W).tolist()[0] == [False, True]
    np.testing.assert_array_equal(first.b, [nan, -inf])
    np.testing.assert_array_equal(second.W, [[inf, -inf]])
    np.testing.assert_array_equal(second.b, [inf])
    assert loss is not None
    assert np.isnan(loss)
    assert (answer.output, answer.input_gradient, answer.trace) == (None, None, None)


SINGLE = Problem((Layer(np.ones((1, 1)), np.ones(1), Tanh()),), np.ones((1, 1)), np.ones((1, 1)), Huber(), "sum", 0.0)


@given(numbers("float32", allow_nan=False, allow_infinity=False).map(abs), st.sampled_from((-1, 0, 1)), st.booleans())
def test_a_decimal_is_rounded_once(value: float, side: int, negative: bool) -> None:
    rounded_once(value, side, negative)


@pytest.mark.parametrize("exponent", range(-130, -119))
def test_a_decimal_is_rounded_once_about_the_least_normal_number(exponent: int) -> None:
    """2^-126, below which the spacing is the same throughout."""
    for significand in (1.5, 1.5 + 2.0**-23):
        for side in (-1, 0, 1):
            rounded_once(significand * 2.0**exponent, side, negative=exponent % 2 == 0)


def rounded_once(value: float, side: int, negative: bool) -> None:
    """Decimals at, just below and just above the midpoint of two float32, closer than a float64 can tell."""
    low = np.float32(value)
    with np.errstate(over="ignore"):
        high = np.nextafter(low, np.float32(inf))
    above = float(high) if np.isfinite(high) else 2.0**128  # where the next one would be
    midpoint = (float(low) + above) / 2  # its 25 bits fit
    _, digits, exponent = Decimal(midpoint).as_tuple()
    assert isinstance(exponent, int)
    decimal = f"{10**40 * int(''.join(map(str, digits))) + side}e{exponent - 40}"
    assert float(decimal) == midpoint
    even = low if low.view(np.uint32) % 2 == 0 else high
    nearest = {-1: low, 0: even, 1: high}[side]
    if negative:
        decimal, nearest = f"-{decimal}", -nearest
    text = f'{{"gradients": [{{"W": [[{decimal}]], "b": [1]}}]}}'
    assert bits(parse_answer(text, in_dtype(SINGLE, "float32")).gradients[0].W[0, 0]) == bits(nearest)


@pytest.mark.parametrize("kind", ["error", "unsupported"])
def test_a_subject_may_refuse(kind: str) -> None:
    with pytest.raises(Refused, match=f"{kind}: no relu here") as refused:
        parse_answer(json.dumps({"id": [1], kind: "no relu here"}), PROBLEM)
    assert (refused.value.kind, refused.value.why) == (kind, "no relu here")
    with pytest.raises(Refused, match=rf"{kind}: an object"):
        parse_answer(json.dumps({kind: {}}), PROBLEM)
    assert answer_bits(parse_answer(json.dumps({**REPLY, kind: None}), PROBLEM))


@pytest.mark.parametrize("id", [None, 1.5, "seven", [{}], {"a": []}, 10**400])
def test_any_id_and_unknown_fields(id: Any) -> None:
    request, answer = {**REQUEST, "id": id, "later": [id]}, {**REPLY, "id": id, "later": {"cmd": id}}
    request["layers"] = [{**layer, "frozen": id} for layer in request["layers"]]
    assert problem_bits(parse_problem(json.dumps(request))) == problem_bits(PROBLEM)
    assert answer_bits(parse_answer(json.dumps(answer), PROBLEM)) == answer_bits(given_answer(PROBLEM))


def test_an_id_is_carried() -> None:
    assert json.loads(problem_json(PROBLEM, id=7))["id"] == 7
    assert json.loads(answer_json(given_answer(PROBLEM), id=7))["id"] == 7


class Custom:
    """An activation without a name."""

    def apply(self, z: Array) -> Array:
        """sigma(z)."""
        return z

    def pullback(self, z: Array, a: Array, g: Array) -> Array:
        """dL/dz."""
        return g


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (PROBLEM._replace(x=X * nan), r"x: expected finite numbers of dtype float64, got nan at \(0, 0\)"),
        (PROBLEM._replace(x=X.astype("float32")), "x: expected dtype float64, as the network has, got float32"),
        (in_dtype(PROBLEM, "float16"), "problem: expected dtype float32 or float64, got float16"),
        (PROBLEM._replace(y=Y[1:]), r"y: expected shape \(5, 2\)"),
        (
            PROBLEM._replace(network=(Layer(W1, b1, Custom()), PROBLEM.network[1])),
            "problem: expected one of identity, .*, got <.*Custom",
        ),
    ],
)
def test_what_is_no_problem_is_not_written(problem: Problem, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        problem_json(problem)
