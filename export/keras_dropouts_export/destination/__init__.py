"""The path that an artifact goes to: checked first, and whole at each instant."""

from keras_dropouts_export.destination.layout import Layout, Move
from keras_dropouts_export.destination.path_checks import check_destination
from keras_dropouts_export.destination.placing import put_in_place
from keras_dropouts_export.destination.work_folder import recover, workplace

__all__ = ["Layout", "Move", "check_destination", "put_in_place", "recover", "workplace"]
