"""Lines of the protocol, altered at random: each is an answer or is said to be none, and nothing is lost."""

import json
import sys
from contextlib import closing

import numpy as np
import pytest

from conformance.problems import wire
from conformance.problems.problem import GivenAnswer
from conformance.problems.wire import Malformed, Refused
from conformance.subjects.programs import program
from conformance.subjects.reference import reference_answer
from tests.subjects.programs.test_programs import QUICK, problem

pytestmark = pytest.mark.sampled(4)

TOKENS = (
    b"NaN", b"Infinity", b"-Infinity", b"null", b"true", b'"', b"{", b"}", b"[", b"]", b",", b":", b"1e999", b"-0.0",
    b"\\u0000", b"\\ud800", b"\xff", b"\x00", b'"id":', b'"error": ', b'"unsupported": "", ', b"[[[[", b" ", b"9" * 400,
)  # fmt: skip


def mutated(line: bytes, rng: np.random.Generator) -> bytes:
    """The line with a few parts of it lost, doubled, moved, or replaced."""
    for _ in range(int(rng.integers(1, 3))):
        at = int(rng.integers(0, len(line) + 1))
        to = min(at + int(rng.integers(0, 5 if rng.random() < 0.8 else len(line) + 1)), len(line))
        token = TOKENS[int(rng.integers(len(TOKENS)))]
        line = (
            line[:at] + line[to:],
            line[:at] + token + line[at:],
            line[:at] + token + line[to:],
            line[:to] + line[at:],
            line[:at],
            line[:at] + bytes([int(rng.integers(256))]) + line[at + 1 :],
        )[int(rng.integers(6))]
    return line


def test_a_mutated_line_is_an_answer_or_is_said_to_be_none(whole: bool) -> None:
    rng, of = np.random.default_rng(5), problem(batch=1)
    answer = reference_answer(of)
    given = GivenAnswer(answer.gradients, answer.value, answer.trace[-1].a, answer.input_gradient, answer.trace)
    lines = [wire.answer_json(given, 7).encode(), b'{"id": 7, "unsupported": "why"}', b'{"id": 7, "error": "why"}']
    came = dict.fromkeys(("answer", "malformed", "refused"), 0)
    for i in range(10_000 if whole else 2000):
        line = mutated(lines[0 if i % 8 else int(rng.integers(3))], rng)
        try:
            parsed = wire.parse_answer(line, of, 7)
            assert [layer.W.shape for layer in parsed.gradients] == [W.shape for W, _, _ in of.network]
            came["answer"] += 1
        except Malformed as error:
            came["malformed"] += str(error).isprintable()
        except Refused:
            came["refused"] += 1
    assert min(came.values()) > 5, came
    assert sum(came.values()) == (10_000 if whole else 2000)


ECHO = """
import json, sys
lines = open(sys.argv[1], "rb").read().split(b"\\n\\n\\n")
for text in sys.stdin:
    request = json.loads(text)
    if request["cmd"] == "start":
        print(json.dumps({"protocol": 1, "name": "echo", "version": "", "language": ""}), flush=True)
    elif request["cmd"] == "stop":
        sys.exit()
    else:
        sys.stdout.buffer.write(lines[request["id"] - 1] + b"\\n")
        sys.stdout.flush()
"""


def test_a_program_that_writes_mutated_lines_is_followed(
    whole: bool, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of its lines is taken or said to be none, by its own question: a right one among them is always taken."""
    monkeypatch.setattr(program, "IN_A_ROW", 10**9)
    monkeypatch.setattr(program, "IN_ALL", 10**9)
    rng, of = np.random.default_rng(6), problem(batch=1)
    answer = GivenAnswer(reference_answer(of).gradients)
    count = 1000 if whole else 40
    lines = [wire.answer_json(answer, i).encode() for i in range(1, count + 1)]
    lines = [mutated(line, rng).replace(b"\n", b" ") if i % 4 else line for i, line in enumerate(lines)]
    path = tmp_path_factory.mktemp("mutated") / "lines"
    path.write_bytes(b"\n\n\n".join(lines))
    with closing(program.Program([sys.executable, "-I", "-S", "-c", ECHO, str(path)], QUICK)) as echo:
        for i in range(count):
            try:
                got = echo.ask(of)
            except (Malformed, Refused):
                assert i % 4, f"a right line was refused: {lines[i]!r}"
                continue
            if i % 4 == 0:
                np.testing.assert_array_equal(got.gradients[0].W, answer.gradients[0].W)
        echo.stop()
        assert [complaint.said for complaint in echo.complaints] == []
    assert json.loads(lines[0])["id"] == 1
