"""The command line: ``python -m conformance run``."""

import sys

try:
    from .command import app
except ModuleNotFoundError as missing:
    print(
        f"python -m conformance: expected the package {missing.name}, found none; "
        "pip install 'backpropagation-reference[conformance]' brings it",
        file=sys.stderr,
    )
    sys.exit(2)

if __name__ == "__main__":
    app()
