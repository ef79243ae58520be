"""All models of the course, by name: one for each file of this folder that declares one."""

from __future__ import annotations

import pkgutil

from course_utils import models
from course_utils.discovery import entries
from course_utils.models.model import Model

#: The modules of this folder that are no model.
MACHINERY = ("flan_t5_sizes", "mixture", "model", "pretrain", "registry", "tokenizers")

MODELS: dict[str, Model] = entries(
    models.__name__,
    (module.name for module in pkgutil.iter_modules(models.__path__)),
    "MODEL",
    apart=MACHINERY,
)
