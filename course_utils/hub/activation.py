"""Point every library of the Hugging Face stack at one Hub, in this process and
those it starts; and back again.

The libraries read the environment once, when they are imported. So the variables are set for what is imported
later, and the settings modules of what is imported already are read again under the new variables; the few
objects that carry an address of their own are told. Undoing goes the same way back, also for libraries that
were imported in between. An `HfApi(...)` that somebody made by hand before keeps its address.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from course_utils import surroundings
from course_utils.pinned import BEFORE_CACHE, BEFORE_ENDPOINT

REAL = "https://huggingface.co"
#: What a session with a Hub needs. None: the variable must not be set.
VARIABLES = {
    "HF_HUB_OFFLINE": None,
    "TRANSFORMERS_OFFLINE": None,
    "HF_DATASETS_OFFLINE": None,
    "HF_EVALUATE_OFFLINE": None,
    # a token of the learner's own is put away, and comes back afterwards
    "HF_TOKEN": None,
    "HUGGING_FACE_HUB_TOKEN": None,
    "HF_TOKEN_PATH": None,
    "HF_HUB_DISABLE_IMPLICIT_TOKEN": None,
    # caches lie in the Hub's own HF_HOME, whatever was set
    "HF_HUB_CACHE": None,
    "HUGGINGFACE_HUB_CACHE": None,
    "HF_ASSETS_CACHE": None,
    "HUGGINGFACE_ASSETS_CACHE": None,
    "HF_DATASETS_CACHE": None,
    "HF_DATASETS_DOWNLOADED_DATASETS_PATH": None,
    "HF_DATASETS_EXTRACTED_DATASETS_PATH": None,
    "HF_EVALUATE_CACHE": None,
    "HF_METRICS_CACHE": None,
    "HF_MODULES_CACHE": None,
    "HF_XET_CACHE": None,
    "HUGGINGFACE_CO_STAGING": None,
    # no calls to other machines, and no protocol that the local Hub has not
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_UPDATE_CHECK": "1",
    "HF_UPDATE_DOWNLOAD_COUNTS": "0",
    "DISABLE_SAFETENSORS_CONVERSION": "1",
}
#: Modules that hold nothing but settings from the environment, in the order in
#: which they depend on each other.
SETTINGS_MODULES = ("huggingface_hub.constants", "datasets.config", "evaluate.config")
#: Modules that have copied such settings: module -> {its name: the name in huggingface_hub.constants}.
COPIES = {
    "huggingface_hub": {
        "HF_HUB_CACHE": "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE": "HUGGINGFACE_HUB_CACHE",
        "HUGGINGFACE_CO_URL_TEMPLATE": "HUGGINGFACE_CO_URL_TEMPLATE",
    },
    "huggingface_hub.cli.auth": {"ENDPOINT": "ENDPOINT"},
    "huggingface_hub.utils._git_credential": {"ENDPOINT": "ENDPOINT"},
    "huggingface_hub.utils._cache_assets": {"HF_ASSETS_CACHE": "HF_ASSETS_CACHE"},
    "huggingface_hub.utils._cache_manager": {"HF_HUB_CACHE": "HF_HUB_CACHE"},
}
#: Packages that the libraries make of downloaded code, in HF_MODULES_CACHE: once
#: imported, they look nowhere else.
DOWNLOADED_CODE = ("evaluate_modules", "datasets_modules", "transformers_modules")
_PLAIN = (str, bytes, int, float, bool, type(None), Path, frozenset)


class Activation:
    """One turn of the libraries towards a Hub. `undo` turns them back.

    url: the Hub's address. home: the HF_HOME to use; a file `token` in it is the token. socket:
    the path of the Unix socket that stands for this address, if one does; then it is this
    process alone that reaches the Hub.
    """

    def __init__(self, url: str, home: Path, socket: str | Path | None = None) -> None:
        self._before = dict(os.environ)
        self._set: dict[str, str | None] = {
            "HF_ENDPOINT": url,
            "HF_HOME": str(home),
            **VARIABLES,
            **_before(self._before),
            **surroundings.past_proxies(),
            # a client with these could not even be made, though it only calls this machine
            **dict.fromkeys((*surroundings.unusable_proxies(), *surroundings.stale_certificates())),
        }
        self._attributes: list[tuple[Any, str, Any]] = []  # (module or object, name, what it was)
        self._imported = {name for name in SETTINGS_MODULES if name in sys.modules}
        self._path, self._code = list(sys.path), _take_downloaded_code()
        for name, value in self._set.items():
            _set_variable(name, value)
        if socket is not None:
            self._go_through(socket)
        self._later = _AtImport("datasets.config", _without_datasets_server)
        self._tell()

    def undo(self) -> None:
        self._later.forget()
        for name in self._set:
            _set_variable(name, self._before.get(name))
        for owner, name, value in reversed(self._attributes):
            setattr(owner, name, value)
        for name in SETTINGS_MODULES:
            if name in sys.modules and name not in self._imported:
                _reread(sys.modules[name], lambda module, field, value: setattr(module, field, value))
        self._attributes.clear()
        _take_downloaded_code()
        sys.path[:] = [*self._path, *(entry for entry in sys.path if entry not in self._path)]
        sys.modules.update(self._code)
        self._copy(lambda module, field, value: setattr(module, field, value))
        _forget_connections()

    def _go_through(self, socket: str | Path) -> None:
        """Let the client's connections lead to a Unix socket."""
        import httpx2
        from huggingface_hub.utils import _http as http

        def client() -> Any:
            hooks = {"request": [http.hf_request_event_hook]}
            transport = httpx2.HTTPTransport(uds=str(socket))
            return httpx2.Client(transport=transport, event_hooks=hooks, follow_redirects=True, timeout=None)

        self._put(http, "_GLOBAL_CLIENT_FACTORY", client)

    def _tell(self) -> None:
        for name in SETTINGS_MODULES:
            if name in sys.modules:
                _reread(sys.modules[name], self._put)
        if "datasets.config" in sys.modules:
            _without_datasets_server(sys.modules["datasets.config"], self._put)
        self._copy(self._put)
        _forget_connections()

    def _copy(self, put: Callable) -> None:
        """Let what has copied the settings have the present ones."""
        constants = sys.modules.get("huggingface_hub.constants")
        if constants is None:
            return
        for name, fields in COPIES.items():
            for field, source in fields.items():
                if field in vars(sys.modules.get(name, object)):
                    put(sys.modules[name], field, getattr(constants, source))
        http = sys.modules.get("huggingface_hub.utils._http")
        if http is not None:
            addresses = (
                constants._HF_DEFAULT_ENDPOINT,
                constants._HF_DEFAULT_STAGING_ENDPOINT,
                constants.ENDPOINT,
                "https://hf.co",
            )
            put(http, "_HUB_ORIGINS", frozenset(map(http._url_origin, addresses)))
        if (api := sys.modules.get("huggingface_hub.hf_api")) is not None:
            put(api.api, "endpoint", constants.ENDPOINT)
        if (transformers := sys.modules.get("transformers.utils.hub")) is not None:
            put(transformers, "_hf_api", None)
            put(transformers, "HF_MODULES_CACHE", os.path.join(constants.HF_HOME, "modules"))

    def _put(self, owner: Any, name: str, value: object) -> None:
        self._attributes.append((owner, name, getattr(owner, name)))
        setattr(owner, name, value)


def _before(variables: Mapping[str, str]) -> dict[str, str | None]:
    """Where the libraries read under these variables: there the course's own models and datasets stay."""
    if BEFORE_ENDPOINT in variables:  # a Hub within a Hub
        return {name: variables.get(name) for name in (BEFORE_ENDPOINT, BEFORE_CACHE)}
    home = variables.get("HF_HOME") or f"{variables.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    cache = variables.get("HF_HUB_CACHE") or variables.get("HUGGINGFACE_HUB_CACHE") or f"{home}/hub"
    return {
        BEFORE_ENDPOINT: variables.get("HF_ENDPOINT") or REAL,
        BEFORE_CACHE: str(Path(cache).expanduser()),
    }


def _without_datasets_server(config: Any, put: Callable = setattr) -> None:
    """It would look up a host "datasets-server.127.0.0.1"; no variable stops that."""
    put(config, "USE_PARQUET_EXPORT", False)


class _AtImport(importlib.abc.MetaPathFinder):
    """Lets `act(module)` follow the import of one module that is not there yet."""

    def __init__(self, name: str, act: Callable) -> None:
        self._name, self._act = name, act
        if name not in sys.modules:
            sys.meta_path.insert(0, self)

    def forget(self) -> None:
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != self._name:
            return None
        self.forget()
        spec = importlib.machinery.PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_act(module: ModuleType) -> None:
                run(module)
                self._act(module)

            spec.loader.exec_module = run_and_act  # type: ignore[method-assign]
        return spec


def _take_downloaded_code() -> dict:
    """Take the packages of downloaded code, {name: module}, out of this process, and
    their folders out of its path.
    """
    taken = {
        name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] in DOWNLOADED_CODE
    }
    folders = {
        str(Path(place).parent) for name in DOWNLOADED_CODE if name in taken for place in taken[name].__path__
    }
    sys.path[:] = [entry for entry in sys.path if entry not in folders]
    importlib.invalidate_caches()
    return taken


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def _reread(module: ModuleType, put: Callable) -> None:
    """Run a settings module's source aside, under the present variables, and
    `put` what comes out differently.
    """
    aside = {"__name__": module.__name__, "__file__": module.__file__, "__package__": module.__package__}
    loader: Any = module.__spec__.loader if module.__spec__ else None  # a module of a file has both
    exec(loader.get_code(module.__name__), aside)
    for name, value in aside.items():
        if name.startswith("__") or not isinstance(value, _PLAIN) or name not in vars(module):
            continue
        if vars(module)[name] != value:
            put(module, name, value)


def _forget_connections() -> None:
    """Open connections and file systems lead to the old address."""
    if (http := sys.modules.get("huggingface_hub.utils._http")) is not None:
        http.close_session()
    if (files := sys.modules.get("huggingface_hub.hf_file_system")) is not None:
        files.HfFileSystem.clear_instance_cache()
