"""`Recorded`: an array that NumPy's functions take, and that records what is done with it.

As NumPy's arrays do, it looks at memory: `Memory` holds for each of its cells which number is there (a node and a
position in it), and an array is a set of cells.  So a view sees what is written through another, and filling an array
piece by piece costs no more than the pieces.  `positions` that run along are themselves a NumPy array; whatever NumPy
does with that (slices, transposes, windows) it does to the numbers.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ...arrays import Array
from ...bounds.formats import Format
from ..recording import graph
from ..recording.branches import Branches
from ..recording.graph import Node, constant
from ..recording.sums import gather


class Unfollowed(TypeError):
    """What a recorded number cannot do, or what nothing is known of."""


class Dispatch(NamedTuple):
    """Who does what NumPy is asked with recorded arrays: ufuncs, other functions, and methods of arrays by name."""

    ufunc: Callable[..., Any]
    function: Callable[..., Any]
    method: Callable[["Recorded", str], Callable[..., Any]]


class Recording:
    """One run of a function: the format judged, the choices that its comparisons met, and who does what is asked."""

    def __init__(self, format: Format, branches: Branches, dispatch: Dispatch) -> None:
        self.format, self.branches, self.dispatch = format, branches, dispatch

    def array(self, node: Node) -> Any:
        """An array of its own of a node's numbers."""
        return Recorded(self, Memory(node))

    def constant(self, value: Any, exact: bool = False) -> "Recorded":
        """An array of its own of plain numbers."""
        return self.array(constant(value, self.format, exact))

    def node(self, x: Any) -> Node:
        """The numbers of an array, recorded or plain.

        Raises
        ------
        Unfollowed
            If they are no real numbers.
        """
        if type(x) is Recorded:
            return x.node
        if isinstance(x, list | tuple) and holds_recorded(x):
            return stacked(self, x).node
        plain = np.asarray(x)
        if plain.dtype.kind not in "biuf":
            raise Unfollowed(f"expected real numbers, got {type(x).__name__} of dtype {plain.dtype}")
        return constant(plain, self.format)


class Memory:
    """Cells, each with a number: those of one node in their order, or each from a node and a position of its own."""

    def __init__(self, whole: Node) -> None:
        self.whole: Node | None = whole
        self.size = whole.size
        self.nodes: list[Node] = []
        self.which: Array = np.zeros(0, np.intp)
        self.at: Array = np.zeros(0, np.intp)

    def read(self, positions: Array) -> Node:
        """The numbers of some cells."""
        if self.whole is not None:
            return gather([self.whole], positions)
        if not positions.size:
            return gather(self.nodes[:1], positions)
        which = self.which[positions]
        used, renamed = np.unique(which, return_inverse=True)
        sources = [self.nodes[k] for k in used]
        starts = np.concatenate([[0], np.cumsum([x.size for x in sources])])[:-1]
        return gather(sources, starts[renamed.reshape(which.shape)] + self.at[positions])

    def write(self, positions: Array, value: Node) -> None:
        """Put numbers into some cells; the last of several that go into one stays."""
        if self.whole is not None:
            self.nodes, self.which = [self.whole], np.zeros(self.size, np.intp)
            self.at, self.whole = np.arange(self.size), None
        self.which[positions] = len(self.nodes)
        self.at[positions] = np.arange(value.size).reshape(value.shape)
        self.nodes.append(value)


class Recorded(NDArrayOperatorsMixin):
    """An array of recorded numbers: the cells of some memory, in the order and shape of ``positions``.

    NumPy takes it for an array of the dtype judged, and so does ``isinstance``.
    """

    def __init__(self, recording: Recording, memory: Memory, positions: Array | None = None) -> None:
        self.recording, self.memory = recording, memory
        self._positions = positions
        whole = memory.whole
        self._shape: tuple[int, ...] = whole.shape if positions is None and whole else np.asarray(positions).shape
        self._read: tuple[Any, Node] | None = None

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return np.ndarray

    __hash__ = None  # type: ignore[assignment]

    # What it holds.

    @property
    def positions(self) -> Array:
        """Of its cells in their memory."""
        if self._positions is None:
            self._positions = np.arange(self.memory.size).reshape(self._shape)
        return self._positions

    @property
    def node(self) -> Node:
        """Its numbers as they are now."""
        memory = self.memory
        if memory.whole is not None and self._everything:
            return memory.whole
        state = memory.whole if memory.whole is not None else len(memory.nodes)
        if self._read is None or (self._read[0] is not state and self._read[0] != state):
            self._read = (state, memory.read(self.positions))
            if self._everything:
                memory.whole = self._read[1]
        return self._read[1]

    @property
    def _everything(self) -> bool:
        """Whether it is all of its memory, in order."""
        return self._positions is None or (
            self.memory.whole is not None
            and self._shape == self.memory.whole.shape
            and self._positions.size == self.memory.size
            and bool((self._positions.ravel() == np.arange(self.memory.size)).all())
        )

    def view(self, *types: Any) -> "Recorded":
        """The same cells."""
        return self.at(self.positions)

    def at(self, positions: Any) -> "Recorded":
        """Other cells of the same memory: a view where NumPy gives one, else a copy."""
        if isinstance(positions, np.ndarray) and np.may_share_memory(positions, self.positions):
            return Recorded(self.recording, self.memory, positions)
        return self.recording.array(self.memory.read(np.asarray(positions)))

    def write(self, positions: Array, value: Any) -> None:
        """Put numbers into some of its cells."""
        node = self.recording.node(value)
        shape = np.shape(positions)
        if node.shape != shape:
            own = np.arange(node.size).reshape(node.shape)
            while own.ndim > len(shape) and own.shape[0] == 1:
                own = own[0]  # as NumPy does in assignments
            node = gather([node], np.broadcast_to(own, shape))
        if node.size == self.memory.size and positions is self._positions and self._everything:
            self.memory.whole, self.memory.nodes = node, []
        else:
            self.memory.write(positions, node)

    # What NumPy's arrays say of themselves.

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array; it can be set."""
        return tuple(self._shape)

    @shape.setter
    def shape(self, shape: Any) -> None:
        positions = self.positions.view()
        positions.shape = shape
        self._positions, self._shape, self._read = positions, positions.shape, None

    @property
    def ndim(self) -> int:
        """How many axes."""
        return len(self._shape)

    @property
    def size(self) -> int:
        """How many numbers."""
        return int(np.prod(self._shape, dtype=int))

    @property
    def dtype(self) -> np.dtype[Any]:
        """The format judged."""
        return self.recording.format.dtype

    @property
    def itemsize(self) -> int:
        """Of the format judged, in bytes."""
        return self.dtype.itemsize

    @property
    def T(self) -> "Recorded":
        """The transpose."""
        return self.at(self.positions.T)

    @property
    def mT(self) -> "Recorded":
        """The transpose of each matrix."""
        return self.at(self.positions.mT)

    @property
    def real(self) -> "Recorded":
        """Itself."""
        return self

    @property
    def flat(self) -> "Recorded":
        """Its numbers in a row, through which they can be written."""
        return self.at(self.positions.reshape(-1))

    @property
    def flags(self) -> Any:
        """How it lies in memory."""
        return self.positions.flags

    @property
    def base(self) -> None:
        """Nothing: whose memory it is is not told."""

    def __len__(self) -> int:
        if not self._shape:
            raise TypeError("len() of unsized object")
        return int(self._shape[0])

    def __iter__(self) -> Iterator["Recorded"]:
        return (self[k] for k in range(len(self)))

    def __repr__(self) -> str:
        return f"Recorded({self.node.value.mid})"

    def __getitem__(self, key: Any) -> "Recorded":
        return self.at(self.positions[_plain(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self.write(self.positions if key is Ellipsis else self.positions[_plain(key)], value)

    # What leaves the record.

    def _leaves(self, what: str) -> Node:
        node = self.node
        if node.live:
            raise Unfollowed(f"{what} of a number that depends on the input leaves what can be followed")
        return node

    def __array__(self, *_: Any, **__: Any) -> Array:
        return self._leaves("a plain array").value.mid.astype(self.dtype)

    def __float__(self) -> float:
        return float(self._leaves("float()").value.mid)

    def __int__(self) -> int:
        return int(self._leaves("int()").value.mid)

    def __index__(self) -> int:
        raise TypeError("a recorded number is no index")

    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError("The truth value of an array with more than one element is ambiguous")
        return bool((self != 0).item())

    def tolist(self) -> Any:
        """Lists of recorded numbers."""
        return self if not self._shape else [x.tolist() for x in self]

    def item(self, *at: Any) -> "Recorded":
        """One recorded number."""
        return self.flat[at[0] if at else 0] if len(at) < 2 else self[at]

    # Everything else is NumPy's.

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        return self.recording.dispatch.ufunc(self.recording, ufunc, method, inputs, options)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self.recording.dispatch.function(self.recording, function, args, kwargs)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self.recording.dispatch.method(self, name)

    def __round__(self, digits: int | None = None) -> Any:
        raise Unfollowed("round() of a recorded number: it has no derivative")

    # A number is a value; only an array is changed in place.

    def __iadd__(self, other: Any) -> "Recorded":
        return self._in_place(np.add, other)

    def __isub__(self, other: Any) -> "Recorded":
        return self._in_place(np.subtract, other)

    def __imul__(self, other: Any) -> "Recorded":
        return self._in_place(np.multiply, other)

    def __itruediv__(self, other: Any) -> "Recorded":
        return self._in_place(np.divide, other)

    def __ipow__(self, other: Any) -> "Recorded":
        return self._in_place(np.power, other)

    def _in_place(self, ufunc: np.ufunc, other: Any) -> "Recorded":
        result: Recorded = ufunc(self, other)
        if not self._shape:
            return result
        if result.shape != self.shape:
            raise ValueError(f"non-broadcastable output operand with shape {self.shape}, expected {result.shape}")
        self.write(self.positions, result)
        return self


def _plain(key: Any) -> Any:
    """A key without recorded numbers: what is constant can be an index."""
    if type(key) is Recorded:
        return np.asarray(key.__array__()).astype(np.intp)
    return tuple(_plain(k) for k in key) if isinstance(key, tuple) else key


def holds_recorded(x: Any) -> bool:
    """Whether there is a recorded array in it, in lists and tuples too."""
    return type(x) is Recorded or (isinstance(x, list | tuple) and any(map(holds_recorded, x)))


def named(f: Any) -> str:
    """The name of a function, with its library."""
    module = (getattr(f, "__module__", None) or "numpy").split("._")[0]
    return f"{module}.{getattr(f, '__name__', f)}"


def recorded(recording: Recording, x: Any) -> Any:
    """An array as a recorded one; that it is not NumPy's own its type does not say."""
    return x if type(x) is Recorded else recording.array(recording.node(x))


def narrowed(x: Recorded, to: Format) -> Any:
    """A copy as numbers of another format."""
    return x.recording.array(graph.narrowed(x.node, to))


def stopped(x: Recorded) -> Any:
    """The same numbers, through which no derivative goes."""
    return x.recording.array(graph.stopped(x.node))


def stacked(recording: Recording, x: Sequence[Any]) -> Any:
    """An array of nested lists of recorded arrays and numbers."""
    parts = [stacked(recording, part).node if isinstance(part, list | tuple) else recording.node(part) for part in x]
    shapes = {part.shape for part in parts}
    if len(shapes) != 1:
        raise ValueError(f"expected arrays of one shape, got {', '.join(map(str, sorted(shapes)))}")
    (shape,) = shapes
    size = sum(part.size for part in parts)
    return recording.array(gather(parts, np.arange(size).reshape(len(parts), *shape)))
