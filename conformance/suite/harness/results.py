"""Results on disk: report.json, junit.xml and the problems, each file whole or not there."""

import json
from pathlib import Path
from xml.etree import ElementTree as Xml

from reference.training.files import replacing

from ...judge.held import Question
from ...judge.report import Finding, Report, by_phase
from ...judge.verdict import CONFORMS, SUSPECT, UNDECIDED, WRONG
from ...problems import files
from ...problems.problem import Problem
from ...problems.training import Training, save_training
from ...text.labels import documented

REPORT, JUNIT = "report.json", "junit.xml"


def write(report: Report, folder: Path) -> None:
    """Write the report into a folder, for other programs and for CI; what is there is replaced.

    Raises
    ------
    OSError
    """
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / REPORT) as file:
        file.write(json.dumps(report.as_json(), indent=1, allow_nan=False).encode() + b"\n")
    with replacing(folder / JUNIT) as file:
        file.write(junit(report))


def saved(problem: Problem | Training, folder: Path) -> str:
    """Save a problem or a training; its place within the folder, as a report holds it.

    Raises
    ------
    OSError
    """
    path = save_training(folder, problem) if isinstance(problem, Training) else files.save_problem(folder, problem)
    return path.relative_to(folder).as_posix()


def with_problems(report: Report, folder: Path) -> Report:
    """The report, the problems of its findings saved in the folder; raises as `saved`."""

    def of(finding: Finding) -> Finding:
        held = finding.question
        if finding.problem or not isinstance(held, Question):
            return finding
        return finding._replace(problem=saved(held.problem, folder))

    return report._replace(findings=tuple(map(of, report.findings)))


def junit(report: Report) -> bytes:
    """JUnit's XML: a test for each equation, and for the exchange; what no bound decides is skipped."""
    suite = Xml.Element("testsuite", name=_plain(f"conformance of {report.subject.name}"))
    cases = [("protocol", CONFORMS), ("state", CONFORMS)] if report.asked else []
    of = report.equations
    cases += [(equation, of[equation].verdict) for equation in sorted(of, key=by_phase)]
    named = dict(cases)
    cases += [(f.equation, f.verdict) for f in report.findings if f.equation not in named]
    for equation, verdict in dict(cases).items():
        _case(suite, report, equation, verdict)
    if report.robustness is not None:
        r = report.robustness
        said = f"{r.wrong} of {r.asked} extreme questions answered wrongly"
        case = _named(suite, report, "at the ends of the range")
        if r.verdict != CONFORMS:  # told, and no part of the verdict
            Xml.SubElement(case, "skipped", message=said)
    suite.set("tests", str(len(suite)))
    for what, tag in (("failures", "failure"), ("skipped", "skipped")):
        suite.set(what, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("errors", "0")
    whole = Xml.Element("testsuites")
    whole.append(suite)
    Xml.indent(whole)
    content: bytes = Xml.tostring(whole, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _case(suite: Xml.Element, report: Report, equation: str, verdict: str) -> None:
    case = _named(suite, report, _titled(equation))
    found = [f for f in report.findings if f.equation == equation and f.kind == "ordinary" and f.verdict != UNDECIDED]
    known = [report.address(f) for f in found if report.address(f)]
    found = [f for f in found if not report.address(f)]
    if known and not found:
        Xml.SubElement(case, "skipped", message=_plain(f"known: {', '.join(known)}"))
    elif found or verdict in (WRONG, SUSPECT):
        worst = WRONG if verdict == WRONG or any(f.verdict == WRONG for f in found) else SUSPECT
        failure = Xml.SubElement(case, "failure", type=worst, message=_plain(_first(found, worst)))
        failure.text = _plain("\n\n".join(f"{f.explanation}\n{f.problem}".strip() for f in found))
    elif verdict == UNDECIDED:
        Xml.SubElement(case, "skipped", message="no bound was small enough to tell")


def _first(found: list[Finding], worst: str) -> str:
    return found[0].explanation if found else worst


def _named(suite: Xml.Element, report: Report, name: str) -> Xml.Element:
    return Xml.SubElement(suite, "testcase", classname=_plain(f"conformance.{report.subject.name}"), name=name)


def _titled(equation: str) -> str:
    try:
        return f"({equation})  {documented(equation)}"
    except ValueError:  # protocol, state, batch, F
        return equation


def _plain(text: str) -> str:
    """Without the characters that XML has no way to write."""
    return "".join(c if c in "\n\t" or (c.isprintable() or c == " ") else ascii(c)[1:-1] for c in text)
