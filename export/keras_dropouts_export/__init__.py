"""Models leave training: strip, freeze, export, and proof that the artifact is the model.

Each public name is imported when it is first used: the command line answers at once, and what
needs no TensorFlow, as `scoring`, runs where there is none. What the other names need is looked
for at their first use, and the layers are registered then, for `load_model`; where Keras is
imported already, they are registered at once.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

from keras_dropouts_export import keras_free as _keras_free

if TYPE_CHECKING:
    from keras_dropouts_export import scoring
    from keras_dropouts_export.api.to_litert import export_litert
    from keras_dropouts_export.api.to_onnx import export_onnx
    from keras_dropouts_export.api.to_openvino import export_openvino
    from keras_dropouts_export.api.to_saved_model import export_saved_model
    from keras_dropouts_export.checks.audit import AuditReport, audit
    from keras_dropouts_export.checks.parity import ParityReport
    from keras_dropouts_export.checks.self_test import SelfTestReport, self_test
    from keras_dropouts_export.checks.verify import verify
    from keras_dropouts_export.diagnosis import DoctorReport
    from keras_dropouts_export.doctor import doctor
    from keras_dropouts_export.errors import ExportError
    from keras_dropouts_export.models.freeze import freeze_dropout
    from keras_dropouts_export.models.strip import StripReport, strip_dropout, strip_report
    from keras_dropouts_export.report import ExportReport
    from keras_dropouts_export.serving.package import package
    from keras_dropouts_export.serving.package_report import PackageReport

__all__ = [
    "AuditReport",
    "DoctorReport",
    "ExportError",
    "ExportReport",
    "PackageReport",
    "ParityReport",
    "SelfTestReport",
    "StripReport",
    "audit",
    "doctor",
    "export_litert",
    "export_onnx",
    "export_openvino",
    "export_saved_model",
    "freeze_dropout",
    "package",
    "scoring",
    "self_test",
    "strip_dropout",
    "strip_report",
    "verify",
]

_MODULES = {  # where each public name is defined
    "AuditReport": "checks.audit",
    "DoctorReport": "diagnosis",
    "ExportError": "errors",
    "ExportReport": "report",
    "PackageReport": "serving.package_report",
    "ParityReport": "checks.parity",
    "SelfTestReport": "checks.self_test",
    "StripReport": "models.strip",
    "audit": "checks.audit",
    "doctor": "doctor",
    "export_litert": "api.to_litert",
    "export_onnx": "api.to_onnx",
    "export_openvino": "api.to_openvino",
    "export_saved_model": "api.to_saved_model",
    "freeze_dropout": "models.freeze",
    "package": "serving.package",
    "self_test": "checks.self_test",
    "strip_dropout": "models.strip",
    "strip_report": "models.strip",
    "verify": "checks.verify",
}
_PACKAGES = ("scoring",)  # public packages: what they need, they look for themselves


class _Package(ModuleType):
    """This package, in which no module hides a public name.

    Python sets an attribute of a package to each of its modules that is imported: without this
    class, the module `doctor` would take the place of the function `doctor`.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _MODULES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

if "keras" in sys.modules:
    import keras_dropouts as _keras_dropouts  # noqa: F401  (registers the layers for load_model)
else:
    _keras_free.prepare("keras_dropouts.arguments")

if not TYPE_CHECKING:  # a type checker would take any name for one of the module's

    def __getattr__(name: str) -> Any:
        if name in _PACKAGES:
            return import_module(f"{__name__}.{name}")
        if name not in _MODULES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        requirements = import_module(f"{__name__}.requirements")
        requirements.check()
        import_module("keras_dropouts")  # it registers the layers
        value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return list(__all__)
