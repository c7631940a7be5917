"""PROTOCOL.md, its schemas and the models that read its messages: they agree, and refuse what is wrong."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from pydantic import ValidationError
from typer.testing import CliRunner

import conformance
from conformance import GivenAnswer, Problem, check
from conformance.command import app
from conformance.problems import wire
from conformance.problems.problem import Parameters
from conformance.problems.schemas import FOLDER, MODELS, schema
from conformance.problems.strategies import problems
from conformance.subjects.reference import reference_answer
from conformance.suite import run
from conformance.suite.profiles import PROFILES

TEXT = (Path(conformance.__file__).parent / "PROTOCOL.md").read_text()

KINDS: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": int | float,
}
SAYING_NOTHING = ("$schema", "$defs", "title", "description")


def holds(schema: Any, value: Any, whole: Any) -> bool:
    """Whether a value is as a JSON Schema says; a keyword that is none of these is an error."""
    for keyword, said in schema.items():
        match keyword:
            case "type":
                fits = isinstance(value, KINDS[said]) and (said == "boolean" or not isinstance(value, bool))
            case "const":
                fits = type(value) is type(said) and value == said
            case "enum":
                fits = value in said
            case "anyOf":
                fits = any(holds(each, value, whole) for each in said)
            case "$ref":
                fits = holds(whole["$defs"][said.removeprefix("#/$defs/")], value, whole)
            case "required":
                fits = all(name in value for name in said)
            case "properties":
                fits = all(holds(each, value[name], whole) for name, each in said.items() if name in value)
            case "additionalProperties":
                others = [each for name, each in value.items() if name not in schema.get("properties", {})]
                fits = said is True or all(holds(said, each, whole) for each in others)
            case "items":
                fits = all(holds(said, each, whole) for each in value)
            case "minItems":
                fits = len(value) >= said
            case "maxItems":
                fits = len(value) <= said
            case "minimum":
                fits = value >= said
            case _:
                assert keyword in SAYING_NOTHING, f"this test knows nothing of {keyword}"
                fits = True
        if not fits:
            return False
    return True


def valid(name: str, document: Any) -> bool:
    """What schema and model agree on."""
    whole = schema(name)
    # "type" comes before what needs it.
    by_schema = holds({"type": whole["type"]}, document, whole) and holds(_ordered(whole), document, _ordered(whole))
    try:
        MODELS[name].model_validate(document)
    except ValidationError:
        assert not by_schema, f"the schema {name} takes what the model refuses: {document}"
        return False
    assert by_schema, f"the schema {name} refuses what the model takes: {document}"
    return True


def _ordered(schema: Any) -> Any:
    """With the type first, so that what follows is asked of values of that type only."""
    if isinstance(schema, dict):
        return {key: _ordered(schema[key]) for key in sorted(schema, key=lambda key: key != "type")}
    return [_ordered(each) for each in schema] if isinstance(schema, list) else schema


def named(document: Any) -> str:
    """Which message it is."""
    if "cmd" in document:
        return f"{document['cmd']}-request"
    for field, name in (("report", "report"), ("known", "known"), ("protocol", "start-answer")):
        if field in document:
            return name
    (kind,) = {"gradients", "unsupported", "error"} & set(document)
    return f"{kind}-answer"


def examples() -> list[Any]:
    """The messages that PROTOCOL.md shows, in blocks and in lines."""
    blocks = re.findall(r"^```json\n(.*?)^```", TEXT, re.M | re.S)
    lines = re.findall(r"`(\{\"(?:cmd|id)\": [^`]*\})`", TEXT)
    return [json.loads(found) for found in (*blocks, *lines) if "..." not in found or found in blocks]


(REQUEST,) = (example for example in examples() if example.get("cmd") == "gradients")
TRAINING = {name: value for name, value in REQUEST.items() if name not in ("x", "y")} | {
    "cmd": "train",
    "batches": [{"x": REQUEST["x"], "y": REQUEST["y"]}],
    "update": {"name": "sgd", "eta": 0.1, "nesterov": True},
}
TRAINED = {"id": 8, "layers": [{"W": [[0.5, "NaN"]], "b": ["-Infinity", None]}]}
SHOWN = {named(example): example for example in examples()} | {"train-request": TRAINING, "train-answer": TRAINED}


def test_the_text_shows_every_message() -> None:
    assert len(examples()) == 9
    assert set(SHOWN) == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_the_schema_is_the_models_and_holds_the_texts_example(name: str) -> None:
    assert json.loads((FOLDER / f"{name}.json").read_text()) == schema(name)
    assert valid(name, SHOWN[name])
    assert valid(name, SHOWN[name] | {"later": {"a field": "of another version"}})
    assert not valid(name, [SHOWN[name]])


def test_no_schema_is_of_no_message(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["schemas", str(tmp_path)]).exit_code == 0
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_text() for path in FOLDER.iterdir()}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a document."""
    if path:
        yield path
    if isinstance(value, dict | list):
        for step, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(part, (*path, step))


def with_another(value: Any, path: tuple[Any, ...]) -> Any:
    """A copy with something of the wrong kind in that place: a list for an object, an object for all else."""
    if not path:
        return [] if isinstance(value, dict) else {}
    copy = value.copy()
    copy[path[0]] = with_another(value[path[0]], path[1:])
    return copy


@pytest.mark.parametrize("name", MODELS)
def test_what_is_wrong_is_no_message(name: str) -> None:
    shown = SHOWN[name]
    for path in places(shown):
        assert not valid(name, with_another(shown, path)), f"{path} may be anything"
    for field in schema(name)["required"]:
        assert not valid(name, {other: value for other, value in shown.items() if other != field})


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("gradients-request", {"dtype": "float16"}),
        ("gradients-request", {"id": "7"}),
        ("gradients-request", {"x": [[0, True], [1, 0]]}),
        ("gradients-request", {"x": [[0, None], [1, 0]]}),
        ("gradients-request", {"cmd": "train"}),
        ("gradients-answer", {"loss": "infinity"}),
        ("start-answer", {"protocol": 2}),
        ("start-answer", {"heads": [["sigmoid"]]}),
        ("start-answer", {"conventions": {"targets": "some"}}),
        ("start-answer", {"conventions": {"relu_derivative_at_zero": "0"}}),
        ("report", {"verdict": "RIGHT"}),
        ("report", {"problems": {"asked": -1, "unsupported": 0, "failed": 0}}),
    ],
)
def test_what_is_nearly_right_is_none_either(name: str, wrong: dict[str, Any]) -> None:
    assert not valid(name, SHOWN[name] | wrong)


@given(problems())
def test_what_is_written_is_as_the_schemas_say(problem: Problem) -> None:
    answer = reference_answer(problem)
    volunteered = GivenAnswer(answer.gradients, answer.value, answer.trace[-1].a, answer.input_gradient, answer.trace)
    assert valid("gradients-request", json.loads(wire.problem_json(problem)))
    assert valid("gradients-answer", json.loads(wire.answer_json(volunteered)))


def test_reports_are_as_the_schema_says() -> None:
    problem = wire.parse_problem(json.dumps(REQUEST))
    right = GivenAnswer(reference_answer(problem).gradients)
    wrong = GivenAnswer(tuple(Parameters(2 * W, b) for W, b in right.gradients))
    for answer, verdict in ((right, "CONFORMS"), (wrong, "WRONG")):
        report = check(problem, answer).as_json()
        assert (report["verdict"], bool(report["findings"])) == (verdict, verdict == "WRONG")
        assert valid("report", report)
    assert valid("report", conformance.probe(lambda network, x, y: [(0 * W, b) for W, b, _ in network]).as_json())
    assert valid("report", run.as_json(run.Run(PROFILES["quick"], seed=0)))
