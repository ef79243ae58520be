"""`course hub`: keep a local Hub running, so that several notebooks and shells
can use it one after the other.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from course_utils import session, surroundings
from course_utils.hub.local import LocalHub
from course_utils.hub.store.errors import HubError
from course_utils.hub.store.hub import RootInUse
from course_utils.hub.store.names import check_owner
from course_utils.hub.store.repair import as_text, repair

DEFAULT_ROOT = "~/.cache/course-workbook/hub"

HOW_TO = """\
A local Hub is running.

  folder   {root}
  address  {url}
  token    {token}
  page     {page}

In a shell:      export HF_ENDPOINT={url} HF_HOME={home} HF_HUB_DISABLE_XET=1
                 export NO_PROXY="${{NO_PROXY:-$no_proxy}},{loopback}"; export no_proxy="$NO_PROXY"
                 unset {unset}
In a notebook:   from course_utils.hub import connect; hub = connect("{root}")

Whoever has the token may do what {user} may. Stop with Ctrl-C; the folder keeps everything.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="course hub", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--root", default=DEFAULT_ROOT, help=f"the folder it lives in (default {DEFAULT_ROOT})"
    )
    parser.add_argument("--port", type=int, default=0, help="default: any free one")
    parser.add_argument("--user", default="me", help="the account to begin with (default me)")
    parser.add_argument(
        "--empty", action="store_true", help="without the course's models, datasets and metrics"
    )
    parser.add_argument(
        "--repair",
        action="store_true",
        help="look at everything in the folder and mend what is damaged, then stop",
    )
    options = parser.parse_args(arguments)
    try:
        root = Path(options.root).expanduser()
        if options.repair:
            print(as_text(list(repair(root))))
            return 0
        check_owner(options.user)
        hub = LocalHub(root, user=options.user, seeded=not options.empty, port=options.port).start()
    except (RootInUse, HubError) as error:
        print(error, file=sys.stderr)
        return 1
    except (OSError, RuntimeError) as error:  # the second: a home that nobody knows
        print(f"{error}. `--root FOLDER` takes another folder, `--port` another port.", file=sys.stderr)
        return 1
    done = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: done.set())
    try:
        for each in hub.troubles:
            print(f"{each} `course hub --repair` mends what can be mended.", file=sys.stderr)
        print(how_to(hub), flush=True)
        done.wait()
    except KeyboardInterrupt:
        pass
    finally:
        hub.close()
        print("The Hub has stopped.")
    return 0


def how_to(hub: LocalHub) -> str:
    """What to do with it. What this shell has and a client could not use is named to be unset, too."""
    unusable = {*surroundings.unusable_proxies(), *surroundings.stale_certificates(), *session.put_aside()}
    return HOW_TO.format(
        root=hub.root,
        url=hub.url,
        token=hub.token,
        page=hub.page,
        home=hub.home,
        user=hub.user,
        loopback=",".join(surroundings.LOOPBACK),
        unset=" ".join(["HF_TOKEN", "HF_HUB_OFFLINE", *sorted(unusable)]),
    )
