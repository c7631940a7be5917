"""Profiles: how much a run asks."""

from typing import NamedTuple


class Profile(NamedTuple):
    """How many random problems; whether the floors on generic problems are measured and digits trained in lockstep."""

    name: str
    problems: int
    floors: bool
    lockstep: bool
    purpose: str


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("quick", 150, floors=False, lockstep=False, purpose="a look, seconds"),
        Profile("standard", 2400, floors=True, lockstep=True, purpose="a verdict, minutes"),
        Profile("thorough", 100_000, floors=True, lockstep=True, purpose="a search, hours"),
    )
}
"""By name."""
