"""Puts a folder on the Hub as a Space, or an earlier version of it back.

    python deploy.py --repo me/saltmarsh --folder space --model course/mini-flan-t5 --secret USAGE_KEY
    python deploy.py --repo me/saltmarsh --back 4f2c91e

Who may is said by HF_TOKEN or `hf auth login`, and the value of each --secret by the environment variable
of that name: neither is ever an argument, which other users of the machine can read. The last line printed
is JSON. Exit code 0: it is there as asked. 1: the Hub refused, or the Space did not start. 2: nothing was
tried.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub as hf
from huggingface_hub.errors import HfHubHTTPError

#: What a secret looks like, by its name.
PATTERNS = {
    "a Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{16,}"),
    "an OpenAI-like key": re.compile(r"\bsk-[A-Za-z0-9_-]{20,}"),
    "an AWS access key": re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    "a GitHub token": re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{40,})"),
    "a private key": re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"),
    "a password in the text": re.compile(
        r"""(?i)\b\w*(?:password|secret|token|api_?key)["']?\s*[:=]\s*["'][^"'\s<${}]{8,}["']"""
    ),
}
FORBIDDEN = (".env", ".env.*", "*.pem", "*.key", "id_rsa*", "id_ed25519*", ".netrc", "token")
LEFT_OUT = [".git/*", ".cache/*", "**/__pycache__/*", "*.pyc"]
FAILED = ("BUILD_ERROR", "RUNTIME_ERROR", "CONFIG_ERROR", "NO_APP_FILE")


def files_of(folder: Path) -> list[Path]:
    """What would be uploaded."""
    relative = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    kept = hf.utils.filter_repo_objects(relative, ignore_patterns=LEFT_OUT)
    return [folder / name for name in sorted(kept)]


def leaks(folder: Path, values: dict[str, str]) -> Iterator[str]:
    """A sentence for each secret found in a folder; it never holds the secret.

    values: the secrets themselves, which no pattern knows.
    """
    for path in files_of(folder):
        name = path.relative_to(folder).as_posix()
        if any(path.match(pattern) for pattern in FORBIDDEN):
            yield f"{name}: files of this name hold secrets"
        text = path.read_text(encoding="utf-8", errors="replace")
        found = [
            (match.start(), what) for what, pattern in PATTERNS.items() for match in pattern.finditer(text)
        ]
        found += [
            (text.index(value), f"the value of {key}") for key, value in values.items() if value in text
        ]
        for start, what in sorted(found):
            yield f"{name}, line {text.count(chr(10), 0, start) + 1}: {what}"


def pinned(model: str, revision: str) -> dict[str, str]:
    """The Space's variables: a model, and the commit that a branch or tag stands for now."""
    return {"MODEL_ID": model, "MODEL_REVISION": str(hf.model_info(model, revision=revision).sha)}


def upload(repo: str, folder: Path, message: str) -> bool:
    """One commit that makes the Space equal to the folder, or none where it is; whether there was one."""
    before = hf.space_info(repo).sha
    commit = hf.upload_folder(
        repo_id=repo, repo_type="space", folder_path=folder, commit_message=message, parent_commit=before,
        ignore_patterns=LEFT_OUT, delete_patterns="*",
    )  # fmt: skip
    return commit.oid != before


def settle(repo: str, variables: dict[str, str], secrets: dict[str, str], renew: bool) -> list[str]:
    """Set what is missing or differs, and say what that was.

    A secret that is there can't be compared, since nobody can read it: it is set again only to renew it.
    """
    known = {key: row.value for key, row in hf.get_space_variables(repo).items()}
    there, changed = hf.get_space_secrets(repo), []
    for key, value in variables.items():
        if known.get(key) != value:
            hf.add_space_variable(repo, key, value)
            changed.append(f"variable {key}")
    for key, value in secrets.items():
        if renew or key not in there:
            hf.add_space_secret(repo, key, value)
            changed.append(f"secret {key}")
    return changed


def machine(repo: str, hardware: str | None, sleep: int | None) -> list[str]:
    """Ask for a machine and its sleep time, where they are other ones."""
    if hardware is None:
        return []
    now = hf.get_space_runtime(repo)
    same = (now.requested_hardware or now.hardware) == hardware and sleep in (None, now.sleep_time)
    if same:
        return []
    hf.request_space_hardware(repo, hf.SpaceHardware(hardware), sleep_time=sleep)
    return [f"hardware {hardware}"]


def sdk_of(folder: Path) -> str | None:
    """What the card of a folder says; None without a card."""
    card = folder / "README.md"
    return hf.SpaceCard.load(card).data.to_dict().get("sdk") if card.is_file() else None


def deploy(options: argparse.Namespace, secrets: dict[str, str]) -> list[str]:
    """Everything of a deployment; what changed."""
    variables = pinned(options.model, options.revision) if options.model else {}
    sdk = sdk_of(options.folder)
    hf.create_repo(options.repo, repo_type="space", space_sdk=sdk, private=options.private, exist_ok=True)
    settings = settle(options.repo, variables, secrets, options.renew_secrets)
    settings += machine(options.repo, options.hardware, options.sleep)
    if upload(options.repo, options.folder, options.message):
        return ["files", *settings]  # a commit makes the Space build and start
    if settings and sdk != "static":
        hf.restart_space(options.repo)
    return settings


def go_back(repo: str, revision: str) -> list[str]:
    """The files of an earlier commit, as a new commit: what came between stays in the history."""
    with tempfile.TemporaryDirectory() as folder:
        hf.snapshot_download(repo, repo_type="space", revision=revision, local_dir=folder)
        return ["files"] if upload(repo, Path(folder), f"Back to {revision[:7]}") else []


def read_options(words: list[str] | None) -> tuple[argparse.Namespace, dict[str, str]]:
    """The command line, and the secrets from the environment; exits with 2 where something is amiss."""
    parser = argparse.ArgumentParser(description="Puts a folder on the Hub as a Space.")
    parser.add_argument("--repo", required=True, help="owner/name")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--back", metavar="REVISION", help="go back to this commit, tag or branch")
    parser.add_argument("--model", help="the model's id, for the variable MODEL_ID")
    parser.add_argument("--revision", default="main", help="of the model; its commit becomes MODEL_REVISION")
    parser.add_argument("--secret", action="append", default=[], metavar="NAME", help="any number of times")
    parser.add_argument("--renew-secrets", action="store_true")
    parser.add_argument("--hardware", metavar="NAME", choices=[each.value for each in hf.SpaceHardware])
    parser.add_argument("--sleep", type=int, metavar="SECONDS", help="of paid hardware, without a visitor")
    parser.add_argument("--private", action="store_true", help="where the Space is new")
    parser.add_argument("--message", default="Deploy")
    parser.add_argument("--timeout", type=float, default=900, help="seconds to wait for the start")
    options = parser.parse_args(words)
    if (options.folder is None) == (options.back is None):
        parser.error("give either --folder or --back")
    if missing := [name for name in options.secret if not os.environ.get(name)]:
        parser.error(f"no value in the environment for {', '.join(missing)}")
    if options.folder is not None and sdk_of(options.folder) is None:
        parser.error(f"{options.folder} has no README.md that names an sdk, so it is no Space")
    return options, {name: os.environ[name] for name in options.secret}


def main(words: list[str] | None = None) -> int:
    options, secrets = read_options(words)
    if options.folder is not None and (found := list(leaks(options.folder, secrets))):
        print("Nothing was uploaded:", *found, sep="\n  ", file=sys.stderr)
        return 2
    try:
        changed = go_back(options.repo, options.back) if options.back else deploy(options, secrets)
        runtime = hf.wait_for_space(options.repo, timeout=options.timeout)
        commit = hf.space_info(options.repo).sha
    except (HfHubHTTPError, TimeoutError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    said = {"repo": options.repo, "commit": commit, "changed": changed, "stage": str(runtime.stage)}
    print(json.dumps(said | {"hardware": runtime.requested_hardware, "sleep": runtime.sleep_time}))
    return 1 if runtime.stage in FAILED else 0


if __name__ == "__main__":
    sys.exit(main())
