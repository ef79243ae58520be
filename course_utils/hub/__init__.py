"""A Hugging Face Hub on this machine, that the unmodified client libraries can't tell
from the real one. See README.md.

store/          repositories as git repositories, large files, people, rules; and views for checks
server/         the HTTP server: what the client libraries ask, and the web page for people
activation.py   pointing the libraries at a Hub, and back
seeding.py      what is in a new Hub: the course's models, datasets and metrics
local.py        LocalHub: all of it together
"""

from course_utils.hub.local import LocalHub, connect
from course_utils.hub.store.errors import StoreError
from course_utils.hub.store.hub import RootInUse
from course_utils.hub.store.limits import Limits
from course_utils.hub.store.snapshot import open_store

__all__ = ["Limits", "LocalHub", "RootInUse", "StoreError", "connect", "open_store"]
