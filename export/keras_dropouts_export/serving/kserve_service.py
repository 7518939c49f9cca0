"""Writes a KServe InferenceService, and the Triton model repository that it points to."""

from __future__ import annotations

import json
import re
from pathlib import Path

from keras_dropouts.arguments import invalid
from keras_dropouts_export.serving import triton_repository
from keras_dropouts_export.serving.packaging import Packaging

_REPOSITORY = "model_repository"
_PLACEHOLDER = "s3://REPLACE-ME/model_repository"
_NAME = r"[a-z]([-a-z0-9]*[a-z0-9])?"  # of a service in Kubernetes
_LONGEST = 63

_SERVICE = """\
# Upload the folder `{repository}` beside this file to storage that the cluster reads, and let
# storageUri be the address of that folder{todo}.
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {name}
spec:
  predictor:
    model:
      modelFormat:
        name: triton
      protocolVersion: v2
      storageUri: {uri}
"""


def write(packaging: Packaging, folder: Path) -> None:
    """Write `inference_service.yaml` and the folder `model_repository`.

    Raises:
        ValueError: if the name is not one of Kubernetes, or Triton cannot take the model.
    """
    name = packaging.name
    if not re.fullmatch(_NAME, name) or len(name) > _LONGEST:
        raise invalid(
            "name",
            f"a name of Kubernetes: at most {_LONGEST} small letters, digits and hyphens, which "
            f"begins with a letter and ends with a letter or a digit",
            name,
        )
    repository = folder / _REPOSITORY
    repository.mkdir()
    triton_repository.write(packaging, repository)
    text = _SERVICE.format(
        repository=_REPOSITORY,
        name=name,
        uri=json.dumps(packaging.storage_uri or _PLACEHOLDER),  # a JSON string is one of YAML
        todo="" if packaging.storage_uri else ", in place of the one that is there now",
    )
    (folder / "inference_service.yaml").write_text(text, encoding="utf-8")
