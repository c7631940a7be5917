"""An example: one call of an operation that shows a mistake, to hold in hand and to put to a debugger."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array
from ..problems import files


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
