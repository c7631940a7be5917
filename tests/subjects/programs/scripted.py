"""A program that answers by the protocol: ``python scripted.py HOW WHEN`` goes wrong in some way from a question on.

It uses nothing but the standard library, so that it starts at once, and takes sigmoid networks with half the squared
error.  HOW is a way of `WIRE`, which spoil the exchange, or of `NUMBERS`, which spoil the mathematics.
"""

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

Vector = list[float]
Message = dict[str, Any]

STARTED: Message = {
    "protocol": 1, "name": "scripted", "version": "1", "language": "python", "commands": ["gradients"],
    "dtypes": ["float64"], "activations": ["sigmoid"], "heads": [["sigmoid", "half_squared_error"]],
    "reductions": ["sum"], "limits": {"layers": [1, 3], "width": [1, 9], "batch": [1, 4]},
}  # fmt: skip


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z)) if z > 0 else math.exp(z) / (1 + math.exp(z))


def gradients(request: Message, how: str) -> list[Message]:
    layers = request["layers"]
    sums: list[Message] = [
        {"W": [[0.0] * len(row) for row in layer["W"]], "b": [0.0] * len(layer["b"])} for layer in layers
    ]
    for x, y in zip(request["x"], request["y"], strict=True):
        a = [x]
        for layer in layers:
            pairs = zip(layer["W"], layer["b"], strict=True)
            a.append([sigmoid(sum(w * v for w, v in zip(row, a[-1], strict=True)) + b) for row, b in pairs])
        delta = [(p - t) * p * (1 - p) for p, t in zip(a[-1], y, strict=True)]
        for l in range(len(layers) - 1, -1, -1):
            for j, d in enumerate(delta):
                sums[l]["b"][j] += 2 * d if how == "doubled biases" else d
                for i, v in enumerate(a[l]):
                    sums[l]["W"][j][i] += d * v
            W = layers[l]["W"]
            primes = [1.0 if how == "no derivative" else v * (1 - v) for v in a[l]]
            delta = [sum(W[k][j] * d for k, d in enumerate(delta)) * p for j, p in enumerate(primes)]
    return sums


def say(text: str, end: str = "\n") -> None:
    sys.stdout.write(text + end)
    sys.stdout.flush()


def slowly(line: str) -> None:
    for part in (line[:7], line[7:40], line[40:]):
        say(part, end="")
        time.sleep(0.05)
    say("")


def too_late(line: str) -> None:
    say(line)
    time.sleep(0.2)
    say(line)


def child_that_stays(line: str) -> None:
    subprocess.Popen(["sleep", "1000"])
    say(line)


def without_end(text: str, times: int) -> None:
    for _ in range(times):
        say(text, end="")
    say("")


def altered(line: str, **fields: Any) -> str:
    answer = json.loads(line) | fields
    return json.dumps({name: value for name, value in answer.items() if value is not None})


def reshaped(line: str) -> str:
    answer = json.loads(line)
    answer["gradients"][0]["W"].append([0.0])
    return json.dumps(answer)


def in_strings(line: str) -> str:
    answer = json.loads(line)
    answer["gradients"][0]["b"][0] = "0.5"
    return json.dumps(answer)


def died(line: str) -> None:
    sys.stderr.write("first\nout of cheese\n")
    sys.exit(3)


def no_text(line: str) -> None:
    sys.stdout.buffer.write(b"\xff\xfe\n")
    sys.stdout.flush()


def begun(line: str) -> None:
    say(line[:9], end="")
    time.sleep(1000)


def died_in_a_line(line: str) -> None:
    say(line[:9], end="")
    sys.exit(0)


def closed(stream: int) -> None:
    os.close(stream)
    time.sleep(1000)


def flooded(line: str) -> None:
    sys.stderr.write(("e" * 1023 + "\n") * 4096)
    say(line)


def ended_after(line: str) -> None:
    say(line)
    sys.exit(0)


WIRE: dict[str, Callable[[str], object]] = {
    "died": died,
    "killed": lambda line: os.kill(os.getpid(), signal.SIGSEGV),
    "hung": lambda line: time.sleep(1000),
    "garbage before": lambda line: say("Loading ...\n" + line),
    "garbage after": lambda line: say(line + "\ndone"),
    "garbage behind": lambda line: say(line + " done"),
    "garbage instead": lambda line: say("Segmentation fault (core dumped)"),
    "not UTF-8": no_text,
    "an empty line": lambda line: say(""),
    "a list": lambda line: say("[1]"),
    "part of a line": begun,
    "died in a line": died_in_a_line,
    "another id": lambda line: say(altered(line, id=json.loads(line)["id"] + 1)),
    "an id as a string": lambda line: say(altered(line, id=str(json.loads(line)["id"]))),
    "no id": lambda line: say(altered(line, id=None)),
    "an answer too many": lambda line: say(line + "\n" + line),
    "an answer too many, later": too_late,
    "shapes": lambda line: say(reshaped(line)),
    "fields": lambda line: say(altered(line, gradients=None)),
    "strings": lambda line: say(in_strings(line)),
    "an error": lambda line: say(altered(line, error="no memory")),
    "a long line": lambda line: without_end("0" * 2**20, 100),
    "endless": lambda line: without_end("0" * 2**16, 10**9),
    "endless lines": lambda line: without_end("0\n" * 2**16, 10**9),
    "output closed": lambda line: closed(1),
    "input closed": lambda line: closed(0),
    "unsupported": lambda line: say(altered(line, unsupported="not today", issue="https://example.org/1")),
    "in pieces": slowly,
    "errors flooded": flooded,
    "a child that stays": child_that_stays,
    "ended after": ended_after,
}
"""What becomes of a line that is right."""

NUMBERS = ("right", "doubled biases", "no derivative")


def main(how: str, when: int) -> None:
    asked = 0
    if how == "slow":
        time.sleep(0.5)
    for text in sys.stdin:
        request = json.loads(text)
        if request["cmd"] == "start":
            say("Hello" if how == "start" else json.dumps(STARTED))
        elif request["cmd"] == "stop":
            if how == "stop ignored":
                time.sleep(1000)
            if how == "endless at stop":
                without_end("0" * 2**16, 10**9)
            sys.exit(4 if how == "status" else 0)
        else:
            asked += 1
            line = json.dumps({"id": request["id"], "gradients": gradients(request, how)})
            if how in WIRE and asked >= when:
                WIRE[how](line)
            else:
                say(line)
    if how == "a child that stays":  # nor does it heed that nobody asks any more
        time.sleep(1000)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
