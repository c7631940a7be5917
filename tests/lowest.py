"""The oldest versions that pyproject.toml allows, a line each, for ``make lowest``.

What can be had only in other versions may be named: ``python tests/lowest.py torch==2.13.0``.
"""

import sys
import tomllib
from pathlib import Path

EXTRAS = ("special", "command", "oracle", "torch", "plot", "suite", "bench")


def lowest(named: dict[str, str]) -> list[str]:
    """The requirements with their lower bounds as exact versions, but for those that are named."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    bounds = {*project["dependencies"], *(each for extra in EXTRAS for each in project["optional-dependencies"][extra])}
    others = sorted(bound for bound in bounds if not bound.startswith(project["name"]))  # not its own other extras
    versions = dict(bound.split(">=") for bound in others) | named
    return [f"{name}=={version}" for name, version in versions.items()]


if __name__ == "__main__":
    print("\n".join(lowest(dict(each.split("==") for each in sys.argv[1:]))))
