"""A trainer that answers by the protocol: ``python trainer.py HOW [COMMAND ...]`` trains with some mistake.

It runs the reference's own text, in the dtype that is asked, so that what it answers is right but for what HOW says.
"""

import json
import sys
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import numpy as np

import reference
from reference import SGD, Adam, Layer, Rule

Message = dict[str, Any]
Stepped = Callable[[int, Any, Any], Any]

STARTED: Message = {
    "protocol": 1, "name": "trainer", "version": "1", "language": "python",
    "dtypes": ["float64", "float32"], "activations": ["sigmoid", "leaky_relu"],
    "heads": [["sigmoid", "half_squared_error"], ["softmax", "cross_entropy"]], "reductions": ["mean", "sum"],
    "limits": {"layers": [1, 4], "width": [1, 16], "batch": [1, 8]}, "updates": [*reference.UPDATES],
}  # fmt: skip



def network_of(request: Message) -> Any:
    dtype = request["dtype"]
    return tuple(
        Layer(np.array(of["W"], dtype), np.array(of["b"], dtype), reference.activation(**of["activation"]))
        for of in request["layers"]
    )


def gradients_of(network: Any, request: Message, batch: Message) -> Any:
    dtype, loss = request["dtype"], dict(request["loss"])
    reduction = loss.pop("reduction")
    x, y = np.array(batch["x"], dtype), np.array(batch["y"], dtype)
    return reference.value_and_gradients(network, x, y, reference.loss(**loss), reduction)[1]


def rule_of(update: Message, how: str) -> Rule:
    rule: Any = reference.update_rule(**update)
    plain = rule == SGD(rule.eta) if isinstance(rule, SGD) else False
    parameters: Message = {}
    if plain and how == "momentum unasked":
        parameters = {"momentum": 0.9}
    if plain and how == "decay unasked":
        parameters = {"weight_decay": 0.01}
    if isinstance(rule, SGD) and how == "momentum ignored":
        parameters = {"momentum": 0}
    if isinstance(rule, Adam) and how == "betas swapped":
        parameters = {"beta1": rule.beta2, "beta2": rule.beta1}
    return reference.update_rule(**{**update, **parameters})


class UncorrectedAdam(Adam):
    """Adam without the corrections."""

    def step(self, p: Any, g: Any, slots: Any, t: int, eta: float) -> Any:
        """The parameters and slots after step t."""
        m, v = self.beta1 * slots[0] + (1 - self.beta1) * g, self.beta2 * slots[1] + (1 - self.beta2) * g * g
        return p - eta * m / (np.sqrt(v) + self.eps), (m, v, v)


def steps(how: str, network: Any, request: Message) -> Iterator[Any]:
    """The networks after each batch."""
    rule: Any = rule_of(request["update"], how)
    if how == "adam uncorrected" and type(rule) is Adam:
        rule = UncorrectedAdam(**vars(rule))
    state = reference.begin(rule, network)
    of_first = None
    for t, batch in zip(count(), request["batches"], strict=False):
        gradients = gradients_of(network, request, batch)
        of_first = of_first or gradients
        if how == "stale batch":
            gradients = gradients_of(network, request, request["batches"][0])
        if how == "stale gradient":
            gradients = of_first
        eta = rule.eta
        if how == "decaying rate":
            eta /= 1 + 0.1 * t
        before = network
        network, state = reference.advance(rule, network, gradients, state, eta)
        if how == "decay without rate":
            network = tuple(
                layer._replace(W=layer.W - np.asarray(0.01, layer.W.dtype) * old.W)
                for layer, old in zip(network, before, strict=True)
            )
        if how == "by chance":
            network = tuple(layer._replace(b=layer.b * (1 + np.random.default_rng().normal())) for layer in network)
        yield network


def answered(how: str, request: Message) -> Message:
    network = network_of(request)
    if request["cmd"] == "gradients":
        of = gradients_of(network, request, request)
        return {"gradients": [{"W": g.W.tolist(), "b": g.b.tolist()} for g in of]}
    if how == "in double":  # computes in float64 whatever is asked, and rounds at the end
        request = request | {"dtype": "float64"}
        network = network_of(request)
    if how == "plain alone" and set(request["update"]) != {"name", "eta"}:
        return {"unsupported": "only plain sgd"}
    if how == "died" and len(request["batches"]) == 3:
        sys.exit(3)
    if how == "a layer too few" and len(request["batches"]) == 2:
        return {"layers": []}
    if how == "no layers":
        return {"layers": []}
    if how == "an error" and request["update"]["name"] == "adam":
        return {"error": "no memory"}
    *_, after = steps(how, network, request)
    return {"layers": [{"W": W.tolist(), "b": b.tolist()} for W, b, _ in after]}


def main(how: str, commands: list[str]) -> None:
    for text in sys.stdin:
        request = json.loads(text)
        if request["cmd"] == "stop":
            break
        if request["cmd"] == "start":
            rules = ["sgd"] if how == "plain alone" else STARTED["updates"]
            answer = STARTED | {"commands": commands or ["train"], "updates": rules}
        else:
            answer = {"id": request["id"]} | answered(how, request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
