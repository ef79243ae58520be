"""`course bench attacks`: the attack table. The attacks themselves are tests: see tests/attacks."""

import importlib
import sys

from course_utils.install import ROOT


def main(argv: list[str] | None = None) -> int:
    """Run the attacks that a command line asks for; needs a checkout of the workbook."""
    if not (ROOT / "tests" / "attacks").is_dir():
        print("course bench attacks: the attacks are in tests/, which are not here", file=sys.stderr)
        return 2
    sys.path.insert(0, str(ROOT))
    return importlib.import_module("tests.attacks.run").main(argv)
