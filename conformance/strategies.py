"""Strategies of Hypothesis for tests of one's own: what `conformance.problems.strategies` has for others to use.

A test of a function against the reference, say, or by `conformance.check`, on whatever network is drawn::

    @given(strategies.problems())
    def test_mine(problem):
        assert_conforms(check(problem, mine(problem)), undecided="allow")

They need Hypothesis, which the extra ``suite`` brings.
"""

from .extras import told

with told("conformance.strategies"):
    from .problems.strategies import activations, losses, networks, problems

__all__ = ["activations", "losses", "networks", "problems"]
