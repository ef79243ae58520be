"""The attack table: `course bench attacks`, or python -m tests.attacks.run."""

import argparse
import json
import sys

from tests.attacks import arena, claims, unearned
from tests.attacks.catalogue import ATTACKS, BY_NAME, REPRESENTATIVE


def chosen(options, by_name, representative):
    """The attacks, or the claims, that a command line asks for."""
    names = [name for name in options.only if name in by_name]
    if not options.only:
        names = representative if options.some else list(by_name)
    found = [by_name[name] for name in names]
    return [one for one in found if not options.family or one.family in options.family]


def fought(attacks, options):
    """What came of the attacks, in batches."""
    more = ["--sandbox", options.sandbox] if options.sandbox else []
    battles = []
    for start in range(0, len(attacks), options.batch):
        batch = attacks[start : start + options.batch]
        tell(f"attacks {start + 1} to {start + len(batch)} of {len(attacks)} …")
        battles.append(arena.fight(batch, *more, follow=options.follow))
        tell(arena.summary(battles[-1]))
    return arena.merged(battles)


def tell(line):
    """A word on the way."""
    print(line, file=sys.stderr, flush=True)


def main(argv=None):
    """Exit code 0 when no attack got anything or harmed anybody, and no claim earned what it had not worked for."""
    parser = argparse.ArgumentParser(
        prog="course bench attacks",
        description="Grade hostile and broken submissions beside honest students, and in every chapter answers "
        "that do not do the work.",
    )
    parser.add_argument("only", nargs="*", metavar="ATTACK", help="these alone (all by default)")
    parser.add_argument("--some", action="store_true", help="the representative part, which `make test` runs")
    parser.add_argument(
        "--family",
        action="append",
        choices=sorted({one.family for one in (*ATTACKS, *unearned.CLAIMS)}),
        help="a family alone",
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
    unknown = sorted(set(options.only) - BY_NAME.keys() - unearned.BY_NAME.keys())
    if unknown:
        parser.error(f"there is no attack {unknown[0]!r}")
    attacks = [
        attack for attack in chosen(options, BY_NAME, REPRESENTATIVE) if not (options.tame and attack.wild)
    ]
    whole = fought(attacks, options)
    verdicts = claims.grade(
        chosen(options, unearned.BY_NAME, unearned.REPRESENTATIVE), tell, options.sandbox or "auto"
    )
    if options.json:
        print(json.dumps(arena.as_plain(whole) | {"claims": claims.as_rows(verdicts)}, indent=1))
    else:
        if attacks:
            print(arena.table(whole))
        if verdicts:
            print("\n".join(map(claims.line_of, verdicts)), claims.families(verdicts), sep="\n\n")
    return 1 if whole.all_faults or any(verdict.faults for verdict in verdicts) else 0


if __name__ == "__main__":
    sys.exit(main())
