"""The attack table: `course bench attacks`, or python -m tests.attacks.run."""

import argparse
import sys

from tests.attacks import arena
from tests.attacks.catalogue import ATTACKS, BY_NAME, REPRESENTATIVE


def chosen(options):
    """The attacks a command line asks for."""
    names = options.only or (REPRESENTATIVE if options.some else list(BY_NAME))
    found = [BY_NAME[name] for name in names]
    return [attack for attack in found if not options.family or attack.family in options.family]


def main(argv=None):
    """Exit code 0 when no attack got anything or harmed anybody."""
    parser = argparse.ArgumentParser(
        prog="course bench attacks",
        description="Grade hostile and broken submissions beside honest students.",
    )
    parser.add_argument("only", nargs="*", metavar="ATTACK", help="these alone (all by default)")
    parser.add_argument("--some", action="store_true", help="the representative part, which `make test` runs")
    parser.add_argument(
        "--family", action="append", choices=sorted({a.family for a in ATTACKS}), help="a family alone"
    )
    parser.add_argument(
        "--follow", type=int, default=1, metavar="N", help="an honest student after every Nth (1)"
    )
    parser.add_argument(
        "--batch", type=int, default=60, metavar="N", help="attacks in one run of the grader (60)"
    )
    parser.add_argument("--sandbox", help="passed on to course grade")
    parser.add_argument(
        "--tame", action="store_true", help="leave out what needs a sandbox to be tried at all"
    )
    parser.add_argument("--json", action="store_true", help="the table as JSON")
    options = parser.parse_args(argv)
    unknown = sorted(set(options.only) - BY_NAME.keys())
    if unknown:
        parser.error(f"there is no attack {unknown[0]!r}")
    attacks = [attack for attack in chosen(options) if not (options.tame and attack.wild)]
    more = ["--sandbox", options.sandbox] if options.sandbox else []
    battles = []
    for start in range(0, len(attacks), options.batch):
        batch = attacks[start : start + options.batch]
        print(f"attacks {start + 1} to {start + len(batch)} of {len(attacks)} …", file=sys.stderr, flush=True)
        battles.append(arena.fight(batch, *more, follow=options.follow))
        print(arena.summary(battles[-1]), file=sys.stderr, flush=True)
    whole = arena.merged(battles)
    print(arena.as_json(whole) if options.json else arena.table(whole))
    return 1 if whole.all_faults else 0


if __name__ == "__main__":
    sys.exit(main())
