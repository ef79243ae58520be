"""A Containerfile read, and its steps performed in a folder that holds a Debian root, where no image can be pulled.

Of the format it knows what ours uses. A shell with mounts and processes of its own stands for the container engine: it
changes the root for good, as an engine does, so that the sandbox can start inside (after a mere chroot the kernel
refuses user namespaces). Its /proc is whole, as with an engine's `unmask=ALL`.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

# arguments: the root, and then what is run in it with nothing of this machine's environment
ENTER = """
set -e
PATH=/usr/sbin:/usr/bin:/sbin:/bin
root=$1; shift
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
for pair in $SHOWN /etc/resolv.conf=/etc/resolv.conf; do
    seen="$root${pair#*=}"
    if test -d "${pair%%=*}"; then mkdir -p "$seen"; else mkdir -p "$(dirname "$seen")"; touch "$seen"; fi
    mount --bind "${pair%%=*}" "$seen"
done
cd "$root"
mkdir -p .before
pivot_root . .before
umount -l /.before
exec env -i "$@"
"""


@dataclass(frozen=True)
class Instruction:
    """One instruction, its lines joined: RUN and what is run."""

    name: str
    value: str


def read(text: str) -> list[Instruction]:
    """The instructions of a Containerfile, in order."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines()]


def suite(instructions: list[Instruction]) -> str:
    """The Debian suite that FROM names: "bookworm" of debian:bookworm-slim."""
    (image,) = [each.value for each in instructions if each.name == "FROM"]
    return re.fullmatch(r"debian:(\w+)-slim", image)[1]


@dataclass
class Root:
    """A Debian root in a folder, and what the instructions so far have set.

    folder: the root. network: variables for the steps that install (a package index's address and certificates);
    readable: paths of this machine -> where the root sees them meanwhile.
    """

    folder: Path
    network: dict[str, str] = field(default_factory=dict)
    readable: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    arguments: dict[str, str] = field(default_factory=dict)
    user: str = "root"
    work: str = "/"
    command: list[str] = field(default_factory=list)

    def perform(self, instruction: Instruction, context: Path, ignored) -> None:
        """Carry one instruction out; `context` is copied from. Raises `subprocess.CalledProcessError`."""
        getattr(self, f"_{instruction.name.lower()}")(instruction.value, context, ignored)

    def call(self, command: list[str], building: bool = False, **options) -> subprocess.CompletedProcess:
        """Run a command inside, as the user, in the folder and with the variables that were set."""
        return subprocess.run(self.inside(command, building), **options)

    def inside(self, command: list[str], building: bool = False) -> list[str]:
        """The command line that runs a command in the root."""
        variables = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": self.home,
        }
        variables |= self.environment | (self.network | self.arguments if building else {})
        shown = [f"{path}={seen}" for path, seen in self.readable.items() if building]
        user = [] if self.user == "root" else self._as_user()
        return [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", "env", f"SHOWN={' '.join(shown)}"),
            *("sh", "-c", ENTER, "enter", str(self.folder)),
            *(f"{name}={value}" for name, value in variables.items()),
            *("env", "--chdir", self.work, *user, *command),
        ]

    @property
    def home(self) -> str:
        return "/root" if self.user == "root" else f"/home/{self.user}"

    def _as_user(self) -> list[str]:
        return ["setpriv", "--reuid", self.user, "--regid", self.user, "--init-groups", "--inh-caps=-all"]

    def _from(self, value, context, ignored) -> None:
        pass  # the root is made before

    _expose = _from

    def _arg(self, value, context, ignored) -> None:
        name, _, default = value.partition("=")
        self.arguments.setdefault(name, default)

    def _env(self, value, context, ignored) -> None:
        self.environment |= dict(each.split("=", 1) for each in shlex.split(value))

    def _run(self, value, context, ignored) -> None:
        self.call(["sh", "-c", value], building=True, check=True)

    def _workdir(self, value, context, ignored) -> None:
        self.work = value
        self.inner(value).mkdir(parents=True, exist_ok=True)

    def _copy(self, value, context, ignored) -> None:
        assert value == ". .", "only COPY . . is known here"
        shutil.copytree(context, self.inner(self.work), symlinks=True, dirs_exist_ok=True, ignore=ignored)

    def _user(self, value, context, ignored) -> None:
        self.user = value

    def _cmd(self, value, context, ignored) -> None:
        self.command = json.loads(value)

    def inner(self, path: str) -> Path:
        """Where a path of the root lies on this machine."""
        return self.folder / path.lstrip("/")
