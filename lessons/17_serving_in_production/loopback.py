"""A web app on this machine only, for as long as a `with` lasts.

    with serving(app) as address:
        httpx2.get(f"{address}/health")

The server runs in a thread of this process, so it ends with the process, too.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn


@contextmanager
def serving(app: Any, patience: float = 30.0) -> Iterator[str]:
    """The address of an ASGI app, at a port that was free.

    patience: seconds until it has to listen. Raises TimeoutError if it does not.
    """
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        ends = time.monotonic() + patience
        while not server.started:
            if time.monotonic() > ends or not thread.is_alive():
                raise TimeoutError("The app did not start.")
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(patience)
