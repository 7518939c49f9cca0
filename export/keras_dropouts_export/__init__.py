"""Models leave training: strip, freeze, export, and proof that the artifact is the model."""

from keras_dropouts_export import requirements as _requirements  # noqa: F401  (says what to install)

# isort: split
from keras_dropouts_export.cli import quiet_start as _quiet_start  # noqa: F401(before TensorFlow)

# isort: split
import keras_dropouts as _keras_dropouts  # noqa: F401  (registers the layers)
from keras_dropouts_export.checks.audit import AuditReport, audit
from keras_dropouts_export.checks.parity import ParityReport
from keras_dropouts_export.checks.verify import verify
from keras_dropouts_export.doctor import DoctorReport, doctor
from keras_dropouts_export.errors import ExportError
from keras_dropouts_export.models.freeze import freeze_dropout
from keras_dropouts_export.models.strip import StripReport, strip_dropout, strip_report
from keras_dropouts_export.onnx import export_onnx
from keras_dropouts_export.report import ExportReport
from keras_dropouts_export.saved_model import export_saved_model

__all__ = [
    "AuditReport",
    "DoctorReport",
    "ExportError",
    "ExportReport",
    "ParityReport",
    "StripReport",
    "audit",
    "doctor",
    "export_onnx",
    "export_saved_model",
    "freeze_dropout",
    "strip_dropout",
    "strip_report",
    "verify",
]
