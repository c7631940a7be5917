"""Programs and functions asked by the command line, as the tests of the harness ask them."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from conformance.command import app
from conformance.problems.reports import Report
from tests.subjects.programs.test_programs import SCRIPT


def command(how: str, when: int = 1) -> str:
    return shlex.join([sys.executable, "-I", "-S", str(SCRIPT), how, str(when)])


def asked(*arguments: str, input: bytes | None = None) -> Result:
    done = CliRunner().invoke(app, arguments, input=input)
    assert isinstance(done.exception, SystemExit | None), done.exception
    assert "Traceback" not in done.output
    return done


def run(how: str, when: int, folder: Path, *options: str) -> tuple[Result, Any]:
    """A quick run over a scripted program, and its report if it left one."""
    quick = ("--profile", "quick", "--problems", "20", "--report", str(folder))
    done = asked("run", "--command", command(how, when), *quick, *options)
    path = folder / "report.json"
    if not path.exists():
        return done, None
    report = json.loads(path.read_text())
    Report.model_validate(report)
    return done, report
