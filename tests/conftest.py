"""Hypothesis without deadlines, the same examples every time; PyTorch on one thread, as each test process is one."""

import torch
from hypothesis import HealthCheck, settings

settings.register_profile(
    "quick",
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("quick")
torch.set_num_threads(1)
