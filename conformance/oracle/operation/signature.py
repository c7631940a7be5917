"""What an operation takes and gives: several arrays, by place or by name, some without a gradient.

A truth is of functions of floating arrays, to one array.  So what else there is stays inside: inputs of integers and
booleans, and keywords, are held fixed, and several outputs are laid side by side, flat, with their cotangents.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...bounds.formats import NAMED_FORMATS
from ...problems.layouts import dtype_name, is_tensor, numbers


class Signature(NamedTuple):
    """The inputs in order, their names if they have any, and which of them have a gradient; keywords held fixed.

    ``output`` is what the function gives, if that is not one array: a tuple or a dict of shapes, None for an entry
    that is not floating and so has no cotangent.
    """

    inputs: tuple[Any, ...]
    names: tuple[str, ...] | None
    moving: tuple[int, ...]
    keywords: Mapping[str, Any]
    output: Any = None

    @property
    def plain(self) -> bool:
        """Whether it is just floating arrays by place, to one array."""
        return self.names is None and self.output is None and len(self.moving) == len(self.inputs) and not self.keywords

    @property
    def labels(self) -> tuple[str, ...]:
        """What the inputs that have a gradient are called."""
        return tuple(repr(self.names[k]) if self.names else str(k + 1) for k in self.moving)

    def forward(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function of the floating inputs alone, to one flat array of all that it gives."""
        if self.plain:
            return function
        call = self.called(function)
        return lambda *moving: flattened(call(*moving))

    def called(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function of the floating inputs alone, as it is called."""
        names, keywords, filled = self.names, dict(self.keywords), self._filled

        def call(*moving: Any) -> Any:
            arguments = filled(moving)
            if names is None:
                return function(*arguments, **keywords)
            return function(**dict(zip(names, arguments, strict=True)), **keywords)

        return call

    def _filled(self, moving: Sequence[Any]) -> list[Any]:
        """All inputs, of the kind that the floating ones have."""
        as_tensors = is_tensor(moving[0])
        arguments = [x if as_tensors or not is_tensor(x) else numbers(x) for x in self.inputs]
        for k, x in zip(self.moving, moving, strict=True):
            arguments[k] = x
        return arguments

    def pullback(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        """The pullback of the floating inputs and a flat cotangent alone, to their gradients."""
        if self.plain:
            return ask

        def asked(*arguments: Any) -> Any:
            *moving, g = arguments
            inputs, cotangent = self._filled(moving), self.structured(g)
            if self.names is None:
                came = ask(*inputs, cotangent, **self.keywords)
            else:
                came = ask(**dict(zip(self.names, inputs, strict=True)), g=cotangent, **self.keywords)
            return self._moved(came)

        return asked

    def structured(self, g: Any) -> Any:
        """A flat cotangent in the form of the outputs."""
        if self.output is None:
            return g
        parts = [
            None if s is None else g[place].reshape(s) for s, place in zip(self._shapes, self._places, strict=True)
        ]
        return dict(zip(self.output, parts, strict=True)) if isinstance(self.output, dict) else tuple(parts)

    @property
    def outputs(self) -> dict[str, slice]:
        """Where each of several floating outputs stands among all of them, by what it is called; empty of one array."""
        if self.output is None:
            return {}
        names = list(map(repr, self.output)) if isinstance(self.output, dict) else range(1, len(self.output) + 1)
        each = zip(names, self._shapes, self._places, strict=True)
        return {f"output {name}": place for name, shape, place in each if shape is not None}

    def written(self, moving: Sequence[Any], g: Any) -> tuple[dict[str, Any], Any]:
        """All inputs by name, in order, and a cotangent in the form of the outputs: as the pullback takes them."""
        inputs = [numbers(x) if _is_array(x) else x for x in self._filled(moving)]
        names = self.names or tuple(f"input {k}" for k in range(1, len(inputs) + 1))
        return dict(zip(names, inputs, strict=True)), self.structured(g)

    @property
    def _shapes(self) -> list[Any]:
        return list(self.output.values() if isinstance(self.output, dict) else self.output)

    @property
    def _places(self) -> list[slice]:
        ends = np.cumsum([0 if s is None else int(np.prod(s, dtype=int)) for s in self._shapes]).tolist()
        return [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]

    def _moved(self, came: Any) -> Any:
        """The gradients by the floating inputs, of an answer that may have None for the others too."""
        if isinstance(came, dict) and self.names is not None:
            return tuple(came.get(self.names[k]) for k in self.moving)
        if isinstance(came, tuple | list) and len(came) == len(self.inputs):
            return tuple(came[k] for k in self.moving)
        return came


def signature_of(inputs: Any, keywords: Mapping[str, Any]) -> Signature:
    """The signature of a call; what is floating has a gradient."""
    named = isinstance(inputs, dict)
    given = tuple(inputs.values()) if named else tuple(inputs) if isinstance(inputs, tuple | list) else (inputs,)
    fixed = [k for k, x in enumerate(given) if _is_array(x) and _is_whole(x)]
    moving = tuple(k for k in range(len(given)) if k not in fixed or len(fixed) == len(given))
    return Signature(given, tuple(inputs) if named else None, moving, keywords)


def _is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray) or is_tensor(x)


def _is_whole(x: Any) -> bool:
    """Whether an array holds integers or booleans."""
    name = dtype_name(x)
    return name not in NAMED_FORMATS and (name.startswith(("int", "uint")) or name == "bool")


def structure_of(output: Any) -> Any:
    """The shapes of several outputs; None of one array."""
    if isinstance(output, dict):
        return {name: _shape(x) for name, x in output.items()}
    return tuple(_shape(x) for x in output) if isinstance(output, tuple | list) else None


def _shape(x: Any) -> tuple[int, ...] | None:
    return None if _is_array(x) and _is_whole(x) else tuple(np.shape(x) if not is_tensor(x) else x.shape)


def flattened(output: Any) -> Any:
    """Several floating outputs side by side, flat; one array as it is."""
    if not isinstance(output, tuple | list | dict):
        return output
    each = list(output.values()) if isinstance(output, dict) else list(output)
    if any(map(is_tensor, each)):
        import torch

        return torch.cat([x.reshape(-1) for x in each if x.is_floating_point()])
    return np.concatenate([np.ravel(x) for x in each if np.result_type(x).kind == "f"])
