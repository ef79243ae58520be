"""All attacks, in one list."""

from tests.attacks import answering, gaining, hanging, harming, malforming, markup, modelling, reading
from tests.attacks.attack import Attack

MODULES = (gaining, reading, harming, hanging, answering, modelling, malforming, markup)
ATTACKS: list[Attack] = [attack for module in MODULES for attack in module.ATTACKS]
BY_NAME = {attack.name: attack for attack in ATTACKS}
assert len(BY_NAME) == len(ATTACKS), "two attacks have the same name"

# What `make test` runs: of every family those that say most in little time.
REPRESENTATIVE = """
equal-to-everything lying-array patched-json patched-respond score-as-result odd-exception-SystemExit frame-oracle
public-answers points-edited checks-deleted other-cells own-cells-meddle given-cell-meddles own-checks guess-again schema-1 environment parents-environment home seed gradebook
solutions other-students descriptors shell connect link-as-notebook gradebook-write submissions-write config-write
drop-write subprocess kill-parent left-for-the-next found-by-the-next shadow-numpy endless-stubborn endless-call exit
exit-in-call memory disk flood-stdout flood-exception frames-ahead frames-stale reply-deep reply-pickle reply-table-bomb
many-small contains-itself broken-json fifo folder null-cells marks-odd stamp-noise markup-1
""".split()
