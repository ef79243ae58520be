"""nbgrader's exchange, read where learners put their work: the folder `inbound` of a course.

A folder's name says who and when, and is made by the learner's own process. So who handed in is whoever owns
the folder and the notebook in it, and when is the last change to the notebook's inode: no learner can choose
either. Where all are one account (JupyterHub on Kubernetes), nobody can be told from anybody, and all is
refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from course_utils.grading.desk.channels.base import Channel, Delivery


class NbgraderExchange(Channel):
    """`inbound/<account>+<exercise>+<time>+<random>/<exercise>.ipynb`."""

    name = "exchange"
    title = "nbgrader's <exchange>/<course>/inbound; who owns the folder, and when the system says it came"

    def deliveries(self, inbox: Path, known: list[str]) -> Iterator[Delivery]:
        for folder in sorted(inbox.iterdir()):
            student, *rest = folder.name.rsplit("+", 3)
            if len(rest) == 3 and folder.is_dir() and not folder.is_symlink():
                yield self._delivery(folder, student, rest[0])

    def _delivery(self, folder: Path, student: str, exercise: str) -> Delivery:
        notebook = folder / f"{exercise}.ipynb"
        try:
            state = notebook.lstat()
            owners = {_account(folder.lstat().st_uid), _account(state.st_uid)}
        except OSError as error:
            return Delivery(notebook, student, None, exercise, f"there is no notebook ({error.strerror})")
        came = datetime.fromtimestamp(int(state.st_ctime), UTC)
        foreign = sorted(owners - {student})
        why = f"it says {student}, and belongs to {foreign[0]}" if foreign else ""
        return Delivery(notebook, student, came, exercise, why)


def _account(user: int) -> str:
    import pwd  # not on Windows, where there is no exchange either

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"the unknown account {user}"


CHANNEL = NbgraderExchange()
