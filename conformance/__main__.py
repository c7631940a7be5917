"""The command line: ``python -m conformance run``."""

import sys

from .extras import advice


def main() -> None:
    """Run the command; a package that is missing is named with what brings it."""
    try:
        from .command import app

        app(prog_name="python -m conformance")
    except ModuleNotFoundError as missing:
        said = advice(missing)
        if said is None:
            raise
        print(f"python -m conformance: {said}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
