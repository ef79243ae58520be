"""A graded class to look at: python -m tests.attacks.make_class DIR, two honest students and those who attack with markup."""

import shutil
import sys
from pathlib import Path

from tests.attacks import arena, markup


def make_class(folder: Path) -> Path:
    """Grade it into ``folder``, a course folder that formgrader opens."""
    with arena.arena(follow=len(markup.ATTACKS)) as made:
        made.hand_in(markup.ATTACKS)
        battle = made.fight()
        if battle.faults:
            raise RuntimeError("\n".join(battle.faults))
        shutil.copytree(made.out, folder)
    return folder


if __name__ == "__main__":
    print(make_class(Path(sys.argv[1])))
