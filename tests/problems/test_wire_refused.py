"""Text that is no problem or answer, each with what is said of it."""

import json
from math import nan
from typing import Any

import pytest

from conformance.problems.wire import (
    LONGEST,
    MOST_VALUES,
    Malformed,
    parse_answer,
    parse_problem,
)

from .examples import PROBLEM, REPLY, REQUEST

MISSING: Any = object()


def altered(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy with another value at that place, or without it."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    copy = dict(document) if isinstance(document, dict) else list(document)
    if value is MISSING and not rest:
        del copy[step]
    else:
        copy[step] = altered(copy[step] if rest else None, rest, value)
    return copy


NO_TEXT: list[tuple[str | bytes, str]] = [
    ("", "expected JSON, got an empty text"),
    (" \n", "expected JSON, got an empty text"),
    ('{"cmd": ', "expected JSON, got text that is none at line 1, column 9: Expecting value"),
    ("{} {}", "expected JSON, got text that is none at line 1, column 4: Extra data"),
    ("{'cmd': 1}", "expected JSON, got text that is none at line 1, column 2: Expecting property name"),
    (b"\xef\xbb\xbf{}", "expected JSON in UTF-8 without a byte order mark, got one"),
    (b'{"cmd": "\xff"}', "expected JSON in UTF-8, got a byte that is none at 9"),
    ("{}".encode("utf-16"), "expected JSON in UTF-8, got a byte that is none at 0"),
    ("[]", "expected an object, got a list of 0"),
    ("null", "expected an object, got null"),
    ("1" * 10_000, "expected an object, got Infinity, or a number beyond float64"),
    ('"' + "a" * 10**6 + '"', "expected an object, got the string 'aaaaaa"),
    ('"\\ud800\\u0007\\u202e"', r"expected an object, got the string '\ud800\x07\u202e'"),
    ("[" * 100_000, "expected lists in lists at most, got values nested beyond any limit"),
    ('{"x":' * 100_000, "expected lists in lists at most, got values nested beyond any limit"),
    ("[" + "0," * MOST_VALUES + "0]", "expected a text of at most 33,554,432 values, got about 33,554,433"),
    ('{"a": 1, "b": [{"c": 1, "d": 2, "c": 3}]}', "expected each field of an object once, got 'c' 2 times"),
]


@pytest.mark.parametrize(("text", "message"), NO_TEXT, ids=range(len(NO_TEXT)))
def test_no_json(text: str | bytes, message: str) -> None:
    for parse in (parse_problem, lambda text: parse_answer(text, PROBLEM)):
        with pytest.raises(Malformed) as refused:
            parse(text)
        assert str(refused.value).startswith(message)
        assert len(str(refused.value)) <= LONGEST


HUGE = float("1e999")
NO_PROBLEM: list[tuple[tuple[Any, ...], Any, str]] = [
    (("cmd",), MISSING, "expected the field 'cmd', got an object without it"),
    (("cmd",), "train", "cmd: expected 'gradients', got the string 'train'"),
    (("dtype",), "float16", "dtype: expected 'float32' or 'float64', got the string 'float16'"),
    (("layers",), [], "network: expected at least one layer, got none"),
    (("layers",), {}, "layers: expected a list, got an object"),
    (("layers", 1), None, "layers[1]: expected an object, got null"),
    (("layers", 1, "b"), MISSING, "layers[1]: expected the field 'b', got an object without it"),
    (("layers", 1, "W", 0, 2), True, "layers[1].W[0][2]: expected a number, got true"),
    (("layers", 1, "W", 0, 2), "0.5", "layers[1].W[0][2]: expected a number, got the string '0.5'"),
    (("layers", 1, "W", 0, 2), None, "layers[1].W[0][2]: expected a number, got null"),
    (("layers", 1, "W", 0, 2), [1], "layers[1].W[0][2]: expected a number, got a list of 1"),
    (("layers", 1, "W", 0, 2), nan, "layers[1].W[0][2]: expected a finite number, got NaN"),
    (("layers", 1, "W", 0, 2), HUGE, "layers[1].W[0][2]: expected a finite number, got Infinity, or a number beyond"),
    (("layers", 1, "W", 0, 2), "NaN", "layers[1].W[0][2]: expected a number, got the string 'NaN'"),
    (("layers", 1, "W", 1), [1.0], "layers[1].W[1]: expected a row of 4 numbers, got 1"),
    (("layers", 1, "W"), [[1.0]] * 2, "layer 2: W: expected shape (2, 4), as layer 1 has 4 units, got (2, 1)"),
    (("layers", 1, "W"), 1.0, "layers[1].W: expected a list, got 1.0"),
    (("layers", 1, "W"), [1.0], "layers[1].W[0]: expected a list, got 1.0"),
    (("layers", 1, "W"), [], "layer 2: W: expected shape (units, inputs), got (0,)"),
    (("layers", 1, "W"), [[], []], "layer 2: W: expected shape (units, inputs), got (2, 0)"),
    (("layers", 1, "b"), [1.0], "layer 2: b: expected shape (2,), as W has 2 rows, got (1,)"),
    (("layers", 1, "activation"), "sigmoid", "layers[1].activation: expected an object, got the string 'sigmoid'"),
    (("layers", 1, "activation", "name"), "relux", "layers[1]: activation: expected one of identity, sigmoid, "),
    (
        ("layers", 1, "activation", "name"),
        "\u2028" * LONGEST,
        "layers[1]: activation: expected one of identity, sigmoid, ",
    ),
    (("layers", 1, "activation", "name"), 3, "layers[1].activation.name: expected a string, got 3"),
    (("layers", 1, "activation", "slope"), 3, "layers[1]: activation sigmoid: expected the parameters (), got 'slope'"),
    (("layers", 1, "activation", "slope"), "a", "layers[1].activation.slope: expected a number, got the string 'a'"),
    (("layers", 1, "activation", "slope"), True, "layers[1].activation.slope: expected a number, got true"),
    (("layers", 1, "activation", "slope"), [[]], "layers[1].activation.slope: expected a number, got a list of 1"),
    (("layers", 1, "activation", "a\nb"), {}, r"layers[1].activation.a\nb: expected a number, got an object"),
    (
        ("layers", 1, "activation"),
        {"name": "leaky_relu", "negative_slope": "Infinity"},
        "layers[1]: activation leaky_relu: negative_slope: expected a finite number, got inf",
    ),
    (
        ("layers", 1, "activation"),
        {"name": "celu", "alpha": -1},
        "layers[1]: activation celu: alpha: expected a number above 0, got -1.0",
    ),
    (
        ("layers", 1, "activation"),
        {"name": "celu", "alpha": [1]},
        "layers[1]: activation celu: alpha: expected a number, got tuple",
    ),
    (("loss", "name"), "hubert", "loss: loss: expected one of half_squared_error, "),
    (("loss", "reduction"), "none", "loss.reduction: expected 'sum' or 'mean', got the string 'none'"),
    (("loss",), {"name": "huber"}, "loss: expected the field 'reduction', got an object without it"),
    (("loss",), {"name": "cross_entropy", "reduction": "sum"}, "layer 2: expected the activation Softmax() before"),
    (
        ("loss",),
        {"name": "nll", "reduction": "sum", "weight": 1},
        "loss: loss nll: weight: expected a tuple of numbers",
    ),
    (("loss",), {"name": "hinge", "reduction": "sum", "delta": 1}, "loss: loss hinge: expected the parameters ()"),
    (("x",), [], "x: expected shape (samples, 3), as layer 1 has 3 inputs, got (0,)"),
    (("x", 0), [1.0, 2.0, 3.0, 4.0], "x[1]: expected a row of 4 numbers, got 3"),
    (
        ("y",),
        [[1.0, 1.0]],
        "y: expected shape (5, 2), a row for each sample of x and a column for each unit of layer 2",
    ),
    (("y",), [1, 1, 1, 1, 0], "y[0]: expected a list, got 1.0"),
]


@pytest.mark.parametrize(("path", "value", "message"), NO_PROBLEM, ids=range(len(NO_PROBLEM)))
def test_no_problem(path: tuple[Any, ...], value: Any, message: str) -> None:
    text = json.dumps(altered(REQUEST, path, value))
    with pytest.raises(Malformed) as refused:
        parse_problem(text)
    assert str(refused.value).startswith(message)
    assert len(str(refused.value)) <= LONGEST
    assert str(refused.value).isprintable()


def test_targets_outside_the_domain() -> None:
    loss = {"name": "hinge", "reduction": "sum"}
    text = json.dumps(altered(altered(REQUEST, ("loss",), loss), ("y", 3, 1), -1.5))
    with pytest.raises(Malformed, match=r"y: expected targets from -1 to 1 for Hinge, got -1.5 at \(3, 1\)"):
        parse_problem(text)


def test_float32_holds_every_number_of_its_problems() -> None:
    text = json.dumps(altered(altered(REQUEST, ("dtype",), "float32"), ("layers", 1, "W", 0, 2), 0.1))
    message = (
        r"layers\[1\].W\[0\]\[2\]: expected a number that float32 holds exactly, got 0.1, "
        "to which 0.10000000149011612 is nearest"
    )
    with pytest.raises(Malformed, match=message):
        parse_problem(text)
    text = json.dumps(altered(altered(REQUEST, ("dtype",), "float32"), ("x", 4, 0), 1e39))
    with pytest.raises(Malformed, match=r"x\[4\]\[0\]: expected a number that float32 holds exactly, got 1e\+39"):
        parse_problem(text)


NO_ANSWER: list[tuple[tuple[Any, ...], Any, str]] = [
    (("gradients",), MISSING, "expected the field 'gradients', got an object without it"),
    (("gradients",), None, "gradients: expected a list, got null"),
    (("gradients", 1), MISSING, "gradients: expected a list of 2, one for each layer, got 1"),
    (("gradients", 1, "W"), MISSING, "gradients[1]: expected the field 'W', got an object without it"),
    (("gradients", 1, "W", 1), MISSING, "gradients[1].W: expected shape (2, 4), got a list of 1"),
    (("gradients", 1, "W", 1), [1.0, 2.0], "gradients[1].W[1]: expected a row of 4 numbers, got 2"),
    (("gradients", 1, "W", 1, 3), "nan", "gradients[1].W[1][3]: expected a number, got the string 'nan'"),
    (("gradients", 1, "W", 1, 3), False, "gradients[1].W[1][3]: expected a number, got false"),
    (("gradients", 1, "W", 1, 3), [], "gradients[1].W[1][3]: expected a number, got a list of 0"),
    (("gradients", 1, "b"), [[1.0], [2.0]], "gradients[1].b[0]: expected a number, got a list of 1"),
    (("gradients", 1, "b"), [1.0], "gradients[1].b: expected shape (2,), got a list of 1"),
    (("loss",), [1.0], "loss: expected a number, got a list of 1"),
    (("output",), [[1.0]], "output: expected shape (5, 2), got a list of 1"),
    (("input_gradient",), 0, "input_gradient: expected a list, got 0.0"),
    (("trace",), [], "trace: expected a list of 2, one for each layer, got 0"),
    (("trace", 0, "delta"), MISSING, "trace[0]: expected the field 'delta', got an object without it"),
    (("trace", 0, "delta", 4, 2), {}, "trace[0].delta[4][2]: expected a number, got an object"),
]


@pytest.mark.parametrize(("path", "value", "message"), NO_ANSWER, ids=range(len(NO_ANSWER)))
def test_no_answer(path: tuple[Any, ...], value: Any, message: str) -> None:
    text = json.dumps(altered(REPLY, path, value))
    with pytest.raises(Malformed) as refused:
        parse_answer(text, PROBLEM)
    assert str(refused.value) == message
