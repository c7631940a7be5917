"""The scripts here are run by the tests, and not imported: each needs a package that may be missing."""

collect_ignore_glob = ["*.py"]
