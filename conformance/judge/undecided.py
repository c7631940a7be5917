"""What is undecided, by name, and what would decide it."""

from collections.abc import Mapping, Sequence

from .verdict import Tally

Place = tuple[str, int]
"""An equation and a layer; of an operation, a name and an input."""

WIDER = {
    "bfloat16": 'float32, or accumulator="float32" if it is true,',
    "float16": 'float32, or accumulator="float32" if it is true,',
    "float32": "float64",
    "float64": "other inputs",
}
"""What may decide what a format leaves undecided, the narrowest format first."""


def settling(undecided: Sequence[Place], tallies: Mapping[Place, Tally], place: str) -> str:
    """A sentence of what is undecided, and what would decide it.

    Parameters
    ----------
    undecided : sequence of (str, int)
        The equations and layers of which no number is decided.
    tallies : mapping
        By equation and layer.
    place : str
        What the layers are: "layer" of a network, "input" of an operation, "array" of an update rule.
    """
    return _of_network(undecided, tallies) if place == "layer" else _of_others(undecided, tallies, place)


def _of_network(undecided: Sequence[Place], tallies: Mapping[Place, Tally]) -> str:
    named = {"B3": "dL/dW", "B4": "dL/db", "B2": "dL/dx"}
    layers: dict[str, list[int]] = {}
    for equation, layer in undecided:
        layers.setdefault(named.get(equation, f"({equation})"), []).append(layer)
    said = [
        name if of == [0] else f"{name} of layer{'s' if len(of) > 1 else ''} {', '.join(map(str, of))}"
        for name, of in layers.items()
    ]
    float32 = any(tallies[key].worst.dtype == "float32" for key in undecided)
    traced = any(equation == "F1" for equation, _ in tallies)
    half = any(tallies[key].worst.dtype in ("bfloat16", "float16") for key in undecided)
    ways = ["float32"] * half + ["float64"] * float32 + ["trace="] * (not traced) + ["fewer layers"]
    return f"{' and '.join(said)} undecided, which {' or '.join(ways)} would decide"


def _of_others(undecided: Sequence[Place], tallies: Mapping[Place, Tally], place: str) -> str:
    """The same of inputs or arrays; a second answer is undecided wherever the first is."""
    undecided = [key for key in undecided if key[0] != "state"] or undecided
    inputs: dict[str, list[int]] = {}
    for equation, k in undecided:
        inputs.setdefault(equation, []).append(k)
    said = [f"({name}) by {place}{'s' * (len(of) > 1)} {', '.join(map(str, of))}" for name, of in inputs.items()]
    dtypes = {tallies[key].worst.dtype for key in undecided}
    ways = WIDER[min(dtypes, key=list(WIDER).index)] if dtypes <= set(WIDER) else "other inputs"
    return f"{' and '.join(said)} undecided, which {ways} would decide"
