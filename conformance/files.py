"""Problems and answers on disk: what `conformance.problems.files` has for others to use."""

from .problems.files import read_answer, read_problem, save_problem, write_answer, write_problem

__all__ = ["read_answer", "read_problem", "save_problem", "write_answer", "write_problem"]
