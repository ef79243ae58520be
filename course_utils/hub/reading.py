"""The Hub that a lesson only reads from: the real one in the hub profile, one on this machine offline."""

from __future__ import annotations

import os

from course_utils import catalog
from course_utils.hub.activation import REAL
from course_utils.hub.local import LocalHub
from course_utils.hub.seeding import COURSE

RELEASE = "v1.0"  # the tag of what is seeded, see `seeding`


class HubToRead:
    """Names in, ids out: the same cells read from either Hub. Use it in `with`, or `open` and `close` it."""

    def __init__(self, profile: str) -> None:
        self._local = LocalHub() if profile == "offline" else None

    def open(self) -> HubToRead:
        """Let the libraries read here; the real Hub is where they read anyway. Returns itself."""
        if self._local is not None:
            self._local.open()
        return self

    def close(self) -> None:
        """Let the libraries read where they did before."""
        if self._local is not None:
            self._local.close()

    def __enter__(self) -> HubToRead:
        return self.open()

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return (
            f"<the real Hub, {self.url}>"
            if self._local is None
            else "<the course's own Hub, on this machine>"
        )

    @property
    def url(self) -> str:
        """Where the libraries read."""
        return (os.environ.get("HF_ENDPOINT") or REAL) if self._local is None else self._local.url

    def model_id(self, name: str) -> str:
        """The id of the course's model of that name, such as "course/mini-bert"."""
        entry = catalog.model(name)
        return entry.hub_id if self._local is None else f"{COURSE}/mini-{name}"

    def dataset_id(self, name: str) -> str:
        """The id of the course's dataset of that name, such as "course/reviews"."""
        entry = catalog.dataset(name)
        return entry.hub_id if self._local is None else f"{COURSE}/{name}"

    def revision(self, name: str) -> str:
        """The revision at which the course uses a model: a commit on the real Hub, a tag here."""
        entry = catalog.model(name)
        return entry.revision if self._local is None else RELEASE
