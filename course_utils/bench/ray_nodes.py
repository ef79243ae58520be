"""A Ray cluster whose nodes are all on this machine: for the bench, and for the tests of the engine."""

from __future__ import annotations

import os
from typing import Any

from course_utils.light import start_lightly

# Ray reads these when it is imported.
os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # 127.0.0.1 stays what it is, and nothing listens outside
    "RAY_raylet_start_wait_time_s": "120",
    "RAY_worker_register_timeout_seconds": "300",
    "RAY_worker_niceness": "0",  # Ray's own is 15: beside other work its workers would hardly run
}
start_lightly()
_NODE: dict[str, Any] = {
    "node_ip_address": "127.0.0.1",
    "object_store_memory": 2**27,
    "include_dashboard": False,
}


class Cluster:
    """A head that grades nothing, and nodes that can be added and killed."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster as Nodes

        head = {"num_cpus": 0, "no_monitor": True, "include_log_monitor": False}
        self._nodes = Nodes(initialize_head=True, head_node_args=_NODE | head)
        self.address = str(self._nodes.address)

    def add(self, name: str, places: int = 2, **options: Any) -> Any:
        """Start a node with places for so many submissions, and give it back."""
        return self._nodes.add_node(**_NODE | {"num_cpus": places, "node_name": name} | options)

    def kill(self, node: Any) -> None:
        """Kill all processes of a node."""
        self._nodes.remove_node(node, allow_graceful=False)

    def close(self) -> None:
        """End all nodes."""
        self._nodes.shutdown()
