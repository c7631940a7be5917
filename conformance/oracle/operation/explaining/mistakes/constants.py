"""Constants: what a gradient is if an array along the way of somebody's forward function is taken for a constant.

A term left out of a derivative is that: statistics that are detached, the sum of a softmax, a gate's slope.  A term
with its sign reversed, or counted twice, is told from the same two gradients.
"""

from collections import Counter
from collections.abc import Collection, Iterator

from .....arrays import Array
from ....recording.graph import Node
from ....recording.reverse import Followed
from ....recording.sums import Collected, Product, Running
from ...asking.calls import Mistaken
from ..evidence import Seen

MOST = 64
"""Arrays along the way, at most: each costs a way back."""

LARGEST = 2**12
"""Of how many numbers, at most, gradients are looked at so."""

KINDS: dict[type[Node], str] = {Collected: "sum", Product: "product of matrices", Running: "running sum"}

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def of_constants(s: Seen, among: Collection[str] | None = None) -> Iterator[Mistaken]:
    """The gradients with each array taken for a constant, sums before others and all sums at once first of all.

    Parameters
    ----------
    s : Seen
        A question.
    among : collection of str, optional
        Names to which it is to be restricted.
    """
    g = s.call.g
    if g is None or s.got.size > LARGEST or (followed := s.asked.followed) is None:
        return
    for name, nodes in _groups(followed):
        names = {said: words.format(name) for said, words in WAYS.items()}
        if among is None or set(names.values()) & set(among):
            without = _without(followed, nodes, g, s.k)
            through = s.truth - without
            yield names["constant"], without
            yield names["negated"], without - through
            yield names["twice"], s.truth + through


WAYS = {
    "constant": "the derivative with {} held constant",
    "negated": "the derivative with the sign of the part through {} reversed",
    "twice": "the derivative with the part through {} counted twice",
}


def _groups(followed: Followed) -> Iterator[tuple[str, list[Node]]]:
    """The arrays along the way, by name; those that only move numbers are left out."""
    nodes = [n for n in _along(followed.output) if n is not followed.output and n.operands and not n.moved]
    if len(nodes) > MOST:
        return
    sums: list[Node] = [n for n in nodes if isinstance(n, Collected)]
    kinds = [f"{KINDS.get(type(n), 'array')} of shape {n.shape}" for n in nodes]
    total, met = Counter(kinds), Counter[str]()
    named = []
    for node, kind in zip(nodes, kinds, strict=True):
        ordinal = ORDINALS[met[kind]] if met[kind] < len(ORDINALS) else f"{met[kind] + 1}th"
        named.append((f"the {ordinal + ' ' if total[kind] > 1 else ''}{kind}", node))
        met[kind] += 1
    for name, node in named:
        if isinstance(node, Collected):
            yield name, [node]
    if len(sums) > 1:
        yield f"all {len(sums)} sums along the way", sums
    yield from ((name, [node]) for name, node in reversed(named) if not isinstance(node, Collected))


def _along(output: Node) -> list[Node]:
    """The live nodes that lead to the output, each after its operands."""
    order: list[Node] = []
    met: set[int] = set()
    stack: list[tuple[Node, bool]] = [(output, False)]
    while stack:
        node, done = stack.pop()
        if done:
            order.append(node)
        elif id(node) not in met and node.live:
            met.add(id(node))
            stack.append((node, True))
            stack.extend((x, False) for x in node.operands)
    return order


def _without(followed: Followed, nodes: list[Node], g: Array, k: int) -> Array:
    """The gradient by the k-th input with some arrays held constant: nothing goes back through them."""
    for node in nodes:
        node.live = False
    try:
        pulled = followed.pulled([g])[0][k]
    finally:
        for node in nodes:
            node.live = True
    return pulled.mid
