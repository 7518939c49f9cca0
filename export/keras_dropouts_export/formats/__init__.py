"""The formats that an artifact may have: one folder each, and one row each in the table here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_dropouts_export.errors import unwrapped_path

if TYPE_CHECKING:
    from keras_dropouts_export.formats.format import Format
