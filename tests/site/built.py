"""A part of the site, made once for all tests of a run."""

from pathlib import Path

from filelock import FileLock

from course_utils.site import build, links, origin

CHAPTERS = ("10_lora_and_peft",)  # plots, wide tables, formulas
ORIGIN = origin.Origin("somebody/workbook", "main")


def small_site(tmp_path_factory):
    """The site with this chapter; the workers of one run share it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base  # one folder a worker of pytest-xdist
    place = Path(shared, "small-site").resolve()
    with FileLock(f"{place}.lock"):
        if place.exists():
            return links.look_at(place)
        return build.build(place, source=ORIGIN, only=CHAPTERS)
