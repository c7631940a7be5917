"""The wire's JSON (PROTOCOL.md): problems and answers as text, to the same bits and back.

Text comes from anybody.  Whatever is wrong with it ends in one `Malformed` that says where (the path of the JSON value,
counted from 0), what was expected and what came; unknown fields are left alone, since a later version may add some.
"""

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from math import copysign, frexp, inf, isinf, nextafter
from typing import Any, Literal, TypeVar

import numpy as np
from pydantic import ValidationError
from pydantic_core import ErrorDetails, to_json

import reference
from reference import ACTIVATIONS, LOSSES, Layer
from reference.checks import check_batch, check_loss, check_network

from ..arrays import Array, Network
from . import messages
from .problem import GivenAnswer, Parameters, Problem, State

MOST_VALUES = 2**25
"""How many values a text may hold: each takes up to 100 bytes while it is read."""

LONGEST = 600
"""Characters of a message."""


class Malformed(ValueError):
    """What was read is no problem, or no answer to the problem: one line with the place, the expected and the given."""

    def __init__(self, message: str) -> None:
        super().__init__(_printable(message))


class Unrelated(Malformed):
    """What was read is no JSON, or no answer to what was asked: who wrote it cannot be followed any further."""


class Refused(ValueError):
    """The subject says that it has no answer: ``kind`` is "unsupported" or "error", ``why`` its reason."""

    def __init__(self, kind: Literal["error", "unsupported"], why: str) -> None:
        super().__init__(_printable(f"{kind}: {why}"))
        self.kind, self.why = kind, why


def _printable(message: str) -> str:
    """One line of no great length; JSON may hold control characters and halves of characters."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in message[: LONGEST + 1])
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 4] + " ..."


def problem_json(problem: Problem, id: int = 1) -> str:
    """A problem as one line, the request ``gradients`` of the protocol, with all parameters of its functions.

    Raises
    ------
    TypeError
        If the dtype is not float32 or float64 throughout, or a function is not one of the reference's.
    ValueError
        If a shape does not fit, or a number is not finite or outside the loss's domain.
    """
    network, dtype = check_network(problem.network)
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"problem: expected dtype float32 or float64, got {dtype}")
    loss = check_loss(network, dtype, problem.loss, problem.reduction)
    x, y = check_batch(network, dtype, problem.x, problem.y, loss)
    request = {
        "cmd": "gradients",
        "id": id,
        "dtype": dtype.name,
        "layers": [
            {"W": W.tolist(), "b": b.tolist(), "activation": _named(ACTIVATIONS, sigma)} for W, b, sigma in network
        ],
        "loss": _named(LOSSES, loss) | {"reduction": problem.reduction},
        "x": x.tolist(),
        "y": y.tolist(),
    }
    return to_json(request).decode()  # the shortest decimals, as json.dumps writes, in a seventh of its time


def parse_problem(text: str | bytes, eta: float = 0.0) -> Problem:
    """The problem of a request ``gradients``.

    Parameters
    ----------
    text : str or bytes
        UTF-8 without a byte order mark.
    eta : float
        The learning rate, which the request does not hold.

    Raises
    ------
    Malformed
        If it is anything else, or the shapes, names and numbers are not those of a problem.
    """
    request = _validated(messages.Gradients, _document(text, float))
    dtype = np.dtype(request.dtype)
    layers = [
        Layer(
            _given(f"layers[{l}].W", layer.W, dtype),
            _given(f"layers[{l}].b", layer.b, dtype),
            _function(f"layers[{l}]", reference.activation, layer.activation),
        )
        for l, layer in enumerate(request.layers)
    ]
    loss = _function("loss", reference.loss, request.loss)
    x, y = _given("x", request.x, dtype), _given("y", request.y, dtype)
    try:
        network, _ = check_network(layers)
        loss = check_loss(network, dtype, loss, request.loss.reduction)
        x, y = check_batch(network, dtype, x, y, loss)
    except (TypeError, ValueError) as error:
        raise Malformed(str(error)) from None
    return Problem(network, x, y, loss, request.loss.reduction, eta)


def answer_json(answer: GivenAnswer, id: int = 1) -> str:
    """An answer as one line; NaN and infinities as strings."""
    response: dict[str, Any] = {"id": id, "gradients": [_listed_all(parameters) for parameters in answer.gradients]}
    for name in ("loss", "output", "input_gradient"):
        volunteered = getattr(answer, name)
        if volunteered is not None:
            response[name] = _listed(volunteered)
    if answer.trace is not None:
        response["trace"] = [_listed_all(state) for state in answer.trace]
    return json.dumps(response, allow_nan=False)


def parse_answer(text: str | bytes, problem: Problem, id: int | None = None) -> GivenAnswer:
    """The answer to a problem, each number rounded once from its decimal to the problem's dtype.

    Parameters
    ----------
    text : str or bytes
    problem : Problem
    id : int, optional
        That the answer must have.

    Raises
    ------
    Malformed
        If it is no answer, or a shape is not the problem's; `Unrelated` if it is no JSON or has another id.
    Refused
        If it says that there is none: ``unsupported`` or ``error``.
    """
    dtype, network = problem.dtype, problem.network
    response, B = _validated(messages.Answer, _answered(text, dtype, id)), len(problem.x)
    gradients = _parameters("gradients", response.gradients, network)
    volunteered = {
        name: None if given is None else _shaped(name, given, shape, dtype)
        for name, given, shape in (
            ("output", response.output, problem.y.shape),
            ("input_gradient", response.input_gradient, problem.x.shape),
        )
    }
    trace = tuple(
        State(*(_shaped(f"trace[{l}].{name}", z, (B, len(network[l].b)), dtype) for name, z in given))
        for l, given in enumerate(_of_layers("trace", response.trace, network) if response.trace is not None else ())
    )
    return GivenAnswer(
        gradients,
        _rounded(response.loss, dtype) if "loss" in response.model_fields_set else None,  # null is NaN
        **volunteered,
        trace=trace or None,
    )


def parse_trained(text: str | bytes, network: Network, id: int | None = None) -> Network:
    """The network after its training, of an answer to ``train``; as `parse_answer` reads it, and raises."""
    response = _validated(messages.Trained, _answered(text, network[0].W.dtype, id))
    after = zip(_parameters("layers", response.layers, network), network, strict=True)
    return tuple(Layer(W, b, sigma) for (W, b), (_, _, sigma) in after)


def _answered(text: str | bytes, dtype: np.dtype[Any], id: int | None) -> Any:
    """The value of an answer's text, which is one to what was asked, and no refusal."""
    document = _document(text, _off_midpoints if dtype == np.float32 else float)
    if id is not None:
        _check_id(document, id)
    if isinstance(document, dict):
        for kind in ("error", "unsupported"):
            why = document.get(kind)
            if why is not None:
                said, issue = why if isinstance(why, str) else _said(why), document.get("issue")
                raise Refused(kind, f"{said} ({issue})" if isinstance(issue, str) else said)
    return document


def _of_layers(name: str, given: list[Any], network: Network) -> list[Any]:
    if len(given) != len(network):
        raise Malformed(f"{name}: expected a list of {len(network)}, one for each layer, got {len(given)}")
    return given


def _parameters(name: str, given: list[messages.Parameters], network: Network) -> tuple[Parameters[Array], ...]:
    """Weights and biases, or their gradients, in the shapes of the network's."""
    pairs = zip(_of_layers(name, given, network), network, strict=True)
    return tuple(
        Parameters(_shaped(f"{name}[{l}].W", of.W, W.shape, W.dtype), _shaped(f"{name}[{l}].b", of.b, b.shape, b.dtype))
        for l, (of, (W, b, _)) in enumerate(pairs)
    )


def parse_declaration(text: str | bytes) -> messages.StartAnswer:
    """The answer to ``start``: what a subject says that it can do; raises `Malformed` if it is anything else."""
    return _validated(messages.StartAnswer, _document(text, float, int))


def _check_id(document: Any, id: int) -> None:
    if not isinstance(document, dict):
        raise Unrelated(f"expected an object, got {_said(document)}")
    if "id" not in document:
        raise Unrelated(f"expected the field 'id', {id}, got an object without it")
    given = document["id"]
    if isinstance(given, bool) or not isinstance(given, float) or given != id:
        raise Unrelated(f"id: expected {id}, got {f'{given:.17g}' if isinstance(given, float) else _said(given)}")


def _document(text: str | bytes, number: Any, whole_number: Any = None) -> Any:
    """The value of a JSON text; ``number`` is made of every number's decimal, so that -0 keeps its sign.

    ``whole_number`` is made of those without a point or an exponent, where it is given.
    """
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError as error:
            raise Unrelated(f"expected JSON in UTF-8, got a byte that is none at {error.start}") from None
    if text.startswith("\ufeff"):
        raise Unrelated("expected JSON in UTF-8 without a byte order mark, got one")
    values = text.count(",") + text.count("[") + text.count("{")
    if values > MOST_VALUES:
        raise Unrelated(f"expected a text of at most {MOST_VALUES:,} values, got about {values:,}")
    try:
        return json.loads(text, object_pairs_hook=_each_once, parse_float=number, parse_int=whole_number or number)
    except json.JSONDecodeError as error:
        broken = f"text that is none at line {error.lineno}, column {error.colno}: {error.msg}"
        raise Unrelated(f"expected JSON, got {broken if text.strip() else 'an empty text'}") from None
    except RecursionError:
        raise Unrelated("expected lists in lists at most, got values nested beyond any limit") from None
    except MemoryError:
        raise Unrelated("expected a text that fits in memory, got a larger one") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        ((name, times),) = Counter(name for name, _ in pairs).most_common(1)
        raise Malformed(f"expected each field of an object once, got {name!a:.60} {times} times")
    return found


def _off_midpoints(decimal: str) -> float:
    """The float64 nearest to a decimal, but never a midpoint of two float32 unless the decimal is exactly that.

    Rounded to float32, it is the float32 nearest to the decimal; rounding twice without this is not.
    """
    value = float(decimal)
    significand, exponent = frexp(value)
    ulps = significand * 2**25 if exponent > -126 else value * 2.0**150  # below 2^-126 the spacing is 2^-149
    if ulps % 2 != 1:
        return value
    exact, midpoint = Decimal(decimal), Decimal(value)
    return value if exact == midpoint else nextafter(value, inf if exact > midpoint else -inf)


_M = TypeVar("_M", bound=messages.Message)


def _validated(model: type[_M], document: Any) -> _M:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise Malformed(_message(error.errors(include_url=False)[0])) from None


_EXPECTED = {
    "float_type": "a number",
    "finite_number": "a finite number",
    "list_type": "a list",
    "string_type": "a string",
    "model_type": "an object",
}


def _message(error: ErrorDetails) -> str:
    """What was expected, and what came where, of the first thing that pydantic found."""
    where = _path(error["loc"])
    if error["type"] == "missing":
        parent, _, field = where.rpartition(".")
        return f"{parent}{': ' if parent else ''}expected the field {field!r}, got an object without it"
    expected = _EXPECTED.get(error["type"]) or error.get("ctx", {}).get("expected") or error["msg"]
    got = "Infinity, or a number beyond float64" if error["input"] == inf else _said(error["input"])
    return f"{where}{': ' if where else ''}expected {expected}, got {got}"


def _path(location: tuple[int | str, ...]) -> str:
    """("layers", 0, "W", 2) as layers[0].W[2]; the names that pydantic gives to alternatives are left out."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif not step.startswith(("float", "literal[", "list[", "nullable[")):
            path += f".{step!a:.60}".replace("'", "")
    return path.removeprefix(".")


def _said(value: Any) -> str:
    """A JSON value in a few words."""
    if isinstance(value, str):
        return f"the string {value!a:.60}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "an object"
    return json.dumps(value)


def _function(where: str, named: Callable[..., Any], described: messages.Function) -> Any:
    """The activation or loss of that name, with its parameters as floats and tuples of floats."""
    given = described.__pydantic_extra__.items()
    parameters = {name: tuple(value) if isinstance(value, list) else float(value) for name, value in given}
    try:
        return named(described.name, **parameters)
    except (TypeError, ValueError) as error:
        raise Malformed(f"{where}: {error}") from None


def _given(where: str, rows: list[Any], dtype: np.dtype[Any]) -> Array:
    """An array of a request, (n,) or (n, m) as its first row says; each number must be one of the dtype."""
    nested = bool(rows) and isinstance(rows[0], list)
    array = _shaped(where, rows, (len(rows), len(rows[0])) if nested else (len(rows),), np.dtype(np.float64))
    with np.errstate(over="ignore"):
        rounded = array.astype(dtype, copy=False)
    altered = np.argwhere(rounded != array)
    if len(altered):
        at = tuple(altered[0])
        raise Malformed(
            f"{where}{''.join(f'[{i}]' for i in at)}: expected a number that {dtype} holds exactly, got "
            f"{float(array[at])!r}, to which {float(rounded[at])!r} is nearest"
        )
    return rounded


def _shaped(where: str, rows: list[Any], shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Numbers in that shape, (n,) or (n, m), rounded to the dtype."""
    if len(rows) != shape[0]:
        raise Malformed(f"{where}: expected shape {shape}, got a list of {len(rows)}")
    for i, row in enumerate(rows if len(shape) > 1 else ()):
        if len(row) != shape[1]:
            raise Malformed(f"{where}[{i}]: expected a row of {shape[1]} numbers, got {len(row)}")
    return _rounded(rows, dtype)


def _rounded(numbers: Any, dtype: np.dtype[Any]) -> Array:
    """Floats, and NaN and infinities as they are spelled; what is too large for the dtype becomes infinite."""
    with np.errstate(over="ignore"):
        return np.array(numbers, dtype=np.float64).astype(dtype, copy=False)


def _named(table: dict[str, type[Any]], function: Any) -> dict[str, Any]:
    """An activation or loss by its name, with all its parameters."""
    for name, kind in table.items():
        if kind is type(function):
            return {"name": name} | {parameter: _spelled(value) for parameter, value in vars(function).items()}
    raise TypeError(f"problem: expected one of {', '.join(table)}, got {function!r:.60}")


def _spelled(parameter: Any) -> Any:
    if isinstance(parameter, tuple):
        return [float(each) for each in parameter]
    return ("Infinity" if copysign(1, parameter) > 0 else "-Infinity") if isinf(parameter) else float(parameter)


def _listed_all(arrays: Parameters[Array] | State[Array]) -> dict[str, Any]:
    return {name: _listed(array) for name, array in zip(arrays._fields, arrays, strict=True)}


def _listed(array: Array) -> Any:
    """An array as lists of floats; what is not finite as a string."""
    if np.isfinite(array).all():
        return array.tolist()
    spelled = array.astype(object)
    spelled[np.isnan(array)] = "NaN"
    spelled[array == inf] = "Infinity"
    spelled[array == -inf] = "-Infinity"
    return spelled.tolist()
