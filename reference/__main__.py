"""``python -m reference``: the document's XOR example; with a command, more (``--help``)."""

import sys

from .examples.xor import run

if __name__ == "__main__":
    if len(sys.argv) == 1:
        print("Final Predicted Output:")
        print(run().predicted)
    else:
        try:
            from .command.app import app

            app(prog_name="python -m reference")
        except ModuleNotFoundError as missing:
            extra = "plot" if missing.name == "matplotlib" else "command"
            print(
                f"python -m reference: expected the package {missing.name}, found none; "
                f"pip install 'backpropagation-reference[{extra}]' brings it",
                file=sys.stderr,
            )
            sys.exit(2)
