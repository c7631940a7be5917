"""Hypothesis without deadlines, the same examples every time; PyTorch on one thread, as each test process is one.

``pytest --hypothesis-profile standard`` (or ``thorough``) asks more, ``pytest --whole`` all that is sampled otherwise:
a test that takes ``whole`` asks by it how many of its cases to run, and its name says ``sample`` or ``whole``; of one
marked ``sampled(n)`` one case in n runs, the same every time, and of one marked ``thorough`` none.
"""

import zlib
from collections.abc import Iterator

import pytest
import torch
from hypothesis import HealthCheck, settings

for name, examples in (("quick", 40), ("standard", 200), ("thorough", 10_000)):
    settings.register_profile(
        name,
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow],
    )


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Whether to sample."""
    parser.addoption("--whole", action="store_true", help="run whole what is sampled otherwise")


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tell a test that asks whether to run whole, and its name."""
    if "whole" in metafunc.fixturenames:
        whole: bool = metafunc.config.getoption("--whole")
        metafunc.parametrize("whole", [whole], ids=["whole" if whole else "sample"])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is sampled, unless all is to run, or cases are named one by one."""
    if config.getoption("--whole") or any("::" in argument for argument in config.args):
        return
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    met: set[str] = set()
    for item in items:
        test, _, case = item.nodeid.partition("[")
        sampled = item.get_closest_marker("sampled") if case else None
        # The first case always runs; of the others which is told by the name, so that no pattern of parameters decides.
        out = sampled is not None and test in met and zlib.crc32(item.nodeid.encode()) % sampled.args[0]
        (left if out or item.get_closest_marker("thorough") else kept).append(item)
        met.add(test)
    config.hook.pytest_deselected(items=left)
    items[:] = kept


def pytest_configure(config: pytest.Config) -> None:
    """The quick profile, unless the command line names another."""
    config.addinivalue_line("markers", "sampled(n): of its cases one in n runs, all with --whole")
    config.addinivalue_line("markers", "thorough: runs with --whole alone")
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("quick")
