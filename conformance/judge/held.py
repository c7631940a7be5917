"""What a finding gives to hold in hand and to put to a debugger: the smallest question that shows a mistake, as arrays.

Of a network a `Question`, of an update rule an `Update`, of an operation an `Example`.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from reference import Loss
from reference.gradients import Reduction

from ..arrays import Array, Network
from ..problems import files
from ..problems.problem import GivenAnswer, Problem


class Question(NamedTuple):
    """A question to hold in hand: what was asked of a network, with the answer.

    ``network`` holds W (n_l, n_{l-1}), b (n_l,) and sigma of each layer, x is (B, n_0), y (B, n_L).  ``answer`` is None
    where none came.
    """

    network: Network
    x: Array
    y: Array
    loss: Loss
    reduction: Reduction
    answer: GivenAnswer | None

    @property
    def problem(self) -> Problem:
        """The same as a problem, as `conformance.check` takes it; its learning rate means nothing."""
        return Problem(self.network, self.x, self.y, self.loss, self.reduction, eta=1.0)

    def save(self, folder: str | Path) -> str:
        """Write problem and answer to a folder, by names that follow from their contents.

        Returns
        -------
        str
            The command that judges them again; that asks again, where there is no answer.

        Raises
        ------
        OSError
            If they cannot be written.
        """
        problem = files.save_problem(folder, self.problem)
        if self.answer is None:
            return f"python -m conformance replay {shlex.quote(str(problem))}"
        answer = files.save_answer(folder, self.answer)
        return f"python -m conformance check {shlex.quote(str(problem))} {shlex.quote(str(answer))}"


class Update(NamedTuple):
    """A step of an update rule to hold in hand: its number, counted from 1; ``expected`` is what the rule gives."""

    step: int
    before: tuple[Array, ...]
    gradients: tuple[Any, ...]
    after: tuple[Array, ...]
    expected: tuple[Array, ...]


class Example(NamedTuple):
    """A call of somebody's pullback, or of the gradient of a loss, with one gradient that came and the truth.

    ``inputs`` are all inputs by name, in order; they are handed on by name where ``keywords`` says so.  ``cotangent``
    is an array, a tuple or a dict of them in the form of the output, or None for a loss.  ``got`` is the gradient by
    the input at ``place``, from 0, among those that have one; ``expected`` and ``bound`` have its shape.  Numbers of
    bfloat16 are held in float32: ``dtype`` names what they are, and ``tensors`` says that the function takes tensors.
    ``where`` says how the inputs lie in memory, if not as usual.
    """

    function: str
    inputs: Mapping[str, Array]
    cotangent: Any
    place: int
    got: Array
    expected: Array
    bound: Array
    dtype: str
    tensors: bool = False
    keywords: bool = False
    where: str = ""

    @property
    def arrays(self) -> dict[str, Array]:
        """All arrays by name, as `save` writes them."""
        g = self.cotangent
        parts = g if isinstance(g, dict) else dict(enumerate(g, start=1)) if isinstance(g, tuple) else {}
        of_g = {f"g {name}": part for name, part in parts.items() if part is not None} if parts else {"g": g}
        found = {**self.inputs, **of_g, "got": self.got, "expected": self.expected, "bound": self.bound}
        return {name: np.asarray(x) for name, x in found.items() if x is not None}

    def save(self, folder: str | Path) -> str:
        """Write the arrays to a folder, under a name that follows from their contents.

        Returns
        -------
        str
            The lines of Python that ask the function again.

        Raises
        ------
        OSError
            If they cannot be written.
        """
        return self._lines(files.save_arrays(folder, self.arrays))

    def _lines(self, path: Path) -> str:
        """What replays it: three lines, of which the second is for a breakpoint."""
        arguments = [f"{name}={self._read(name)}" if self.keywords else self._read(name) for name in self.inputs]
        g = self._of_cotangent()
        if g:
            arguments.append(f"g={g}" if self.keywords else g)
        imports = "import numpy as np, torch" if self.tensors else "import numpy as np"
        note = f"  # {self.where}" if self.where else ""
        function = self.function if self.function.replace(".", "_").isidentifier() else "pullback"
        return "\n".join(
            (
                f"{imports}; q = np.load({str(path)!r})",
                f"got = {function}({', '.join(arguments)}){note}",
                f"print(got, q['expected'], q['bound'], sep='\\n')  # the gradient at place {self.place}",
            )
        )

    def _of_cotangent(self) -> str:
        g = self.cotangent
        if isinstance(g, dict):
            return "{" + ", ".join(f"{n!r}: {self._part(f'g {n}', x)}" for n, x in g.items()) + "}"
        if isinstance(g, tuple):
            return "(" + ", ".join(self._part(f"g {n}", x) for n, x in enumerate(g, start=1)) + ",)"
        return self._part("g", g) if g is not None else ""

    def _part(self, name: str, x: Array | None) -> str:
        return "None" if x is None else self._read(name)

    def _read(self, name: str) -> str:
        """The expression for one array, of the kind that the function takes."""
        if not self.tensors:
            return f"q[{name!r}]"
        of = f"torch.from_numpy(q[{name!r}])"
        return f"{of}.bfloat16()" if self.dtype == "bfloat16" and self.arrays[name].dtype.kind == "f" else of
