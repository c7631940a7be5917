"""Learning-rate schedules: functions that give the factor on a rule's eta in epoch e = 1, 2, ..."""

from collections.abc import Callable
from math import cos, pi

from ..checks import check_number, check_whole_number

__all__ = ["cosine_decay", "step_decay", "warm_up"]

Schedule = Callable[[int], float]


def constant_rate(epoch: int) -> float:
    """Keep the rule's own eta in every epoch."""
    return 1


def step_decay(every: int, gamma: float) -> Schedule:
    """Multiply eta by ``gamma`` whenever so many epochs have passed (T1)."""
    check_whole_number("every", every, 1)
    check_number("gamma", gamma, 0)
    return lambda e: gamma ** ((e - 1) // every)           # (T1)  gamma^floor((e - 1) / every)


def cosine_decay(epochs: int, least: float = 0) -> Schedule:
    """Lower the factor from 1 to ``least``, by half a wave over so many epochs; there it stays (T2)."""
    check_whole_number("epochs", epochs, 1)
    check_number("least", least, 0)
    return lambda e: least + (1 - least) * (1 + cos(pi * min(1, (e - 1) / epochs))) / 2  # (T2)  half a wave


def warm_up(epochs: int, then: Schedule = constant_rate) -> Schedule:
    """Raise the factor of another schedule in equal steps to its full size over the first epochs (T3)."""
    check_whole_number("epochs", epochs, 1)
    return lambda e: min(1, e / epochs) * then(e)          # (T3)  min(1, e / epochs)
