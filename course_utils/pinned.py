"""A repository of the Hub, pinned to one commit: what a model's and a dataset's entry have in common."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

#: While the libraries point at a Hub on this machine: where they pointed before, and the cache of that.
BEFORE_ENDPOINT, BEFORE_CACHE = "COURSE_HUB_ENDPOINT", "COURSE_HUB_CACHE"


def source() -> dict[str, Any]:
    """Where the catalog's repositories come from, as arguments for the Hub's client.

    A lesson that has opened a Hub of its own (`course_utils.hub`) finds them where it found them before, with
    nobody's token: the one at hand belongs to that Hub.
    """
    endpoint, cache = os.environ.get(BEFORE_ENDPOINT), os.environ.get(BEFORE_CACHE)
    return {"endpoint": endpoint, "cache_dir": cache, "token": False} if endpoint and cache else {}


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """The repository `hub_id` at `revision`, a full commit id.

    Revisions were each seen together with their repository's name in public code that pins
    them, or in the Hub's own addresses.

    Attributes:
        name: what lessons call it.
        megabytes: what is downloaded, in 10**6 bytes, rounded.
        licence: as its card on the Hub states it.
    """

    #: "model" or "dataset", as the Hub's client names the kinds of repositories.
    kind: ClassVar[str]

    name: str
    hub_id: str
    revision: str
    megabytes: int
    licence: str

    def snapshot(self, files: Iterable[str]) -> Path:
        """The local folder with `files` (names or patterns), found by the Hub's own
        client in its cache or else online.

        Raises:
            ConnectionError: if they are neither on this machine nor to be had; the message says what to do.
        """
        import httpx2
        import huggingface_hub
        from huggingface_hub.errors import LocalEntryNotFoundError
        from tqdm import tqdm

        find = partial(
            huggingface_hub.snapshot_download,
            self.hub_id,
            repo_type=self.kind,
            revision=self.revision,
            allow_patterns=list(files),
            **source(),
        )
        try:
            return Path(
                find(local_files_only=True)
            )  # silent, and no question to the Hub each time a cell is run
        except LocalEntryNotFoundError:
            if not huggingface_hub.is_offline_mode():
                print(f"Downloading {self.hub_id}, {self.megabytes} MB, once.")
        try:
            # tqdm_class: setup() turns the libraries' bars off, but a download of
            # minutes must be seen to move
            return Path(find(tqdm_class=tqdm))
        except (LocalEntryNotFoundError, httpx2.TransportError) as error:
            raise ConnectionError(
                f"{self.name!r} ({self.hub_id} at {self.revision[:12]}, {self.megabytes} MB) is not on this "
                "machine and the Hub can't be reached. Go on without a network: set COURSE_PROFILE=offline, "
                "or write setup(profile='offline')."
            ) from error
