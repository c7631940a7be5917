"""A plugin of pytest: one test for each equation, so that one failure hides no other.

It is there wherever the package is installed, and does nothing unless a test has the marker::

    @pytest.mark.conforms(function=backpropagation, hidden="relu", output="softmax", loss="cross_entropy")
    def test_gradients(equation):
        equation.holds()

The function is asked once, by `conformance.probe` or by the door that ``by=`` names, with the marker's options.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:  # what a test does not use is not imported into its run
    from .judge.report import Report

EQUATIONS = ("F", "B1", "B2", "B3", "B4")
"""Those that have a test of their own; F is (F1) and (F2), also where they cannot be told apart."""

REST = "rest"
"""The test for what is none of these: the loss, state, batches, failures, and whether anything was decided at all."""

LABELS = {"F": ("F", "F1", "F2")} | {label: (label,) for label in EQUATIONS[1:]}

asked = pytest.StashKey[dict[str, "Report | Exception"]]()


class Equation(NamedTuple):
    """One documented equation, as somebody's function keeps it or not; ``label`` is "rest" for whatever else there is.

    ``report`` is that of all equations.
    """

    label: str
    report: "Report"

    def holds(self, *, extremes: bool = False) -> None:
        """Raise unless the equation holds; with ``extremes`` at the ends of the range too.

        Raises
        ------
        AssertionError
            If it is violated, or nothing of it is decided; the first line says where and how, the rest is the report.
        """
        __tracebackhide__ = True
        from .judge.headline import headline
        from .judge.verdict import CONFORMS, SUSPECT, UNDECIDED, WRONG

        kinds = ("ordinary", "extreme") if extremes else ("ordinary",)
        labels = LABELS.get(self.label)
        own = [f for f in self.report.findings if f.kind in kinds and self._is_of(f.equation)]
        new = [f for f in own if not self.report.address(f)]
        if new:
            raise AssertionError(f"{headline(self.report, new)}\n\n{self.report}")
        if own:
            pytest.xfail(f"known: {self.report.address(own[0])}")
        if labels is None:
            named = any(f.kind in kinds for f in self.report.findings)
            if self.report.verdict != CONFORMS and not named:
                raise AssertionError(f"{headline(self.report)}\n\n{self.report}")
            return
        found = [tally.verdict for label, tally in self.report.equations.items() if label in labels]
        if not found:
            pytest.skip(f"({self.label}) was not asked")
        if any(verdict in (WRONG, SUSPECT) for verdict in found) or all(verdict == UNDECIDED for verdict in found):
            raise AssertionError(f"({self.label}): {headline(self.report)}\n\n{self.report}")

    def _is_of(self, equation: str) -> bool:
        if self.label == REST:
            return not any(equation in labels for labels in LABELS.values())
        return equation in LABELS[self.label]


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        "conforms(*, function, by=conformance.probe, **options): ask the function for gradients; one test for each "
        "equation, by the fixture `equation`",
    )
    config.stash[asked] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each equation, where a test takes `equation`."""
    if "equation" in metafunc.fixturenames and metafunc.definition.get_closest_marker("conforms"):
        metafunc.parametrize("equation", [*EQUATIONS, REST], indirect=True)


@pytest.fixture
def equation(request: pytest.FixtureRequest) -> Equation:
    """One of the documented equations, as the function of the marker ``conforms`` keeps it."""
    marker = request.node.get_closest_marker("conforms")
    if marker is None or marker.args or "function" not in marker.kwargs:
        said = "equation: expected the test to have @pytest.mark.conforms(function=..., **options)"
        pytest.fail(said, pytrace=False)
    reports, key = request.config.stash[asked], request.node.nodeid.rpartition("[")[0]
    if key not in reports:
        try:
            reports[key] = _report(**marker.kwargs)
        except (TypeError, ValueError) as error:  # once, and not for each equation
            reports[key] = error
            pytest.fail(f"conforms: {error}", pytrace=False)
    report = reports[key]
    if isinstance(report, Exception):
        pytest.skip("was not asked: the marker is refused, as is said of the first equation")
    return Equation(request.param, report)


def _report(*, function: Any, by: Callable[..., "Report"] | None = None, **options: Any) -> "Report":
    if by is not None:
        return by(function, **options)
    from .oracle.network.oracle import probe

    return probe(function, **options)
