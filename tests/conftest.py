"""Hypothesis without deadlines, the same examples every time; PyTorch on one thread, as each test process is one.

``pytest --hypothesis-profile standard`` (or ``thorough``) asks more.
"""

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
torch.set_num_threads(1)


def pytest_configure(config: pytest.Config) -> None:
    """The quick profile, unless the command line names another."""
    if not config.getoption("--hypothesis-profile"):
        settings.load_profile("quick")
