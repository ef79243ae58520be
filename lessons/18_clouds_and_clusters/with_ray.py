"""The training function of two_workers.py under Ray Train, on this machine. Needs the package ray.

    python with_ray.py '{"storage": "/a/whole/path", "die": [1, 25]}'

Prints one line of JSON: the last metrics that were reported. Leaves the same files as two_workers.py.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from course_utils.bench.ray_nodes import Cluster

# Ray reads these, and those that ray_nodes sets, when it is imported.
os.environ |= {
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "180",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",  # one machine of our own: nobody takes it away
    "GLOO_SOCKET_IFNAME": "lo",
}


def worker(settings: dict[str, Any]) -> None:
    """What each of Ray's workers runs. Ray Train has already made the process group."""
    import ray.train
    import torch
    import torch.distributed as dist
    from two_workers import note_start, train

    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    storage = Path(settings["storage"])
    ranks = torch.tensor([float(rank + 1)])
    dist.all_reduce(ranks)  # one worker has 1, the other 2: both have 3 now

    def report(metrics: dict[str, float], state: dict[str, Any] | None) -> None:
        with tempfile.TemporaryDirectory() as folder:
            if state:
                torch.save(state, Path(folder) / "state.pt")
            checkpoint = ray.train.Checkpoint.from_directory(folder) if state else None
            ray.train.report(metrics | {"all_reduced": ranks.item()}, checkpoint=checkpoint)
        ray.train.get_all_reported_checkpoints()  # waits until Ray's controller has it on its list

    newest = None
    if checkpoint := ray.train.get_checkpoint():
        with checkpoint.as_directory() as folder:
            newest = torch.load(Path(folder) / "state.pt", weights_only=True)
    note_start(storage, rank, newest)
    weights = train(settings, rank, world, newest, report)
    if rank == 0:
        torch.save(weights, storage / "weights.pt")


def start_ray(variables: dict[str, str]) -> Cluster:
    """A Ray cluster of this machine alone. `ray.init()` starts one too, but gives it thirty seconds to come
    up, too few on a busy machine.
    """
    import ray

    cluster = Cluster()
    cluster.add("here", places=3)  # two workers, and Ray Train's controller beside them
    ray.init(cluster.address, log_to_driver=False, logging_level="ERROR", runtime_env={"env_vars": variables})
    return cluster


def main(settings: dict[str, Any]) -> None:
    import ray
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    storage = Path(settings["storage"])
    storage.mkdir(parents=True, exist_ok=True)
    paths = os.pathsep.join([str(Path(__file__).parent.resolve()), os.environ.get("PYTHONPATH", "")])
    cluster = start_ray({"PYTHONPATH": paths, "GLOO_SOCKET_IFNAME": "lo"})
    try:
        trainer = TorchTrainer(
            worker,
            train_loop_config=settings,
            torch_config=TorchConfig(backend="gloo"),
            scaling_config=ScalingConfig(num_workers=2, use_gpu=False),
            run_config=RunConfig(
                name="tiny",
                storage_path=str(storage / "ray"),
                failure_config=FailureConfig(max_failures=1),
                checkpoint_config=CheckpointConfig(num_to_keep=2),
            ),
        )
        result = trainer.fit()
        print(json.dumps({"metrics": result.metrics}))
    finally:
        ray.shutdown()
        cluster.close()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
