"""How much the Hub takes: every limit in one place. Sizes are in bytes."""

from dataclasses import dataclass

MEGABYTE = 2**20
GIGABYTE = 2**30


@dataclass(frozen=True)
class Limits:
    """Limits of one Hub. The real one has others and changes them; these keep a laptop safe."""

    regular_file: int = 10 * MEGABYTE  # in the commit itself; what is larger goes the way of large files
    large_file: int = 20 * GIGABYTE
    upload_part: int = 512 * MEGABYTE  # a larger file is uploaded in parts of this size
    json_body: int = 16 * MEGABYTE
    commit_body: int = GIGABYTE
    commit_entries: int = 25_000
    files: int = 100_000  # of one commit
    repositories: int = 10_000
    total: int = 50 * GIGABYTE  # of the Hub's folder
    free_disk: int = 200 * MEGABYTE  # what must stay free on the disk
    link_seconds: int = 3600  # how long an upload link holds
    connections: int = 128
