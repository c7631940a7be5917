"""The page of what is named: its rows are what is said, and enough of them are right."""

from .table import PAGE, faults, line, page, told

EVERY = 18
"""Of how many faults one is asked in a sample."""


def test_what_is_said_of_each_fault_is_as_on_the_page(whole: bool) -> None:
    rows = told(faults()[:: 1 if whole else EVERY])
    if whole:
        assert page(rows) == PAGE.read_text()
    written = PAGE.read_text().splitlines()
    for _, fault, row in rows:
        assert line(row) in written, f"{fault.name}: {row}"
        assert not row.false, f"{fault.name}: {row.false}"
        assert fault.said or row.named, f"{fault.name} is no known mistake, and was named: {row.said}"


def test_enough_faults_are_on_the_page_and_enough_are_named() -> None:
    cells = [line.split(" | ") for line in PAGE.read_text().splitlines() if line.endswith((" yes |", " no |"))]
    known = [row for row in cells if not row[0].startswith("| nonsense")]
    assert len(known) >= 120
    assert sum(row[-2] == "yes" for row in cells) >= 0.95 * len(cells)
    assert sum(row[-1] == "yes |" for row in known) >= 0.85 * len(known)
