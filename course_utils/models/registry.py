"""All models of the course, by name: one for each file of this folder that declares one."""

from __future__ import annotations

from course_utils import models
from course_utils.discovery import entries
from course_utils.models.model import Model

#: The modules of this folder that are no model.
MACHINERY = ("flan_t5_sizes", "mixture", "model", "pretrain", "registry", "tokenizers")

MODELS: dict[str, Model] = entries(models, "MODEL", apart=MACHINERY)
