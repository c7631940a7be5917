"""The property that pytest runs, a shard at a time, for `conformance.suite.shards`."""

from collections.abc import Callable

from .shards import Asked, written
from .suite import run


def test_every_equation_is_within_its_bound(asked: Asked, record_property: Callable[[str, object], None]) -> None:
    """One shard; what it came to goes to the process that gathers the shards."""
    shard = run(asked.problems, asked.seed)
    record_property("shard", written(shard))
    assert shard.counterexample is None
