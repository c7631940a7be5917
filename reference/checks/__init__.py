"""What the public doors refuse, before any arithmetic, with a message that says where and what."""

from .arguments import (
    by_name,
    check_activation,
    check_batch,
    check_generator,
    check_loss,
    check_network,
    check_number,
    check_rule,
    check_samples,
)

__all__ = [
    "by_name",
    "check_activation",
    "check_batch",
    "check_generator",
    "check_loss",
    "check_network",
    "check_number",
    "check_rule",
    "check_samples",
]
