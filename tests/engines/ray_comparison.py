"""Compares models on Ray and in one process; test_compare_on_ray.py reads what it prints.

Its arguments are the folder of the module that makes the models, and a file that marks a process
which has killed itself.
"""

import json
import os
import signal
import sys
from pathlib import Path

import ray

sys.path.insert(0, sys.argv[1])

import compared_models as models
import keras_dropouts as kd

GIVEN = {"seeds": 2, "epochs": 1, "batch_size": 16, "verbose": False}
x, y = models.data()
MARK = Path(sys.argv[2])


def dies_once() -> object:
    """Kill the process that trains, and return a model where that was done before."""
    if not MARK.exists():
        MARK.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return models.units()


environment = {"env_vars": {"PYTHONPATH": sys.argv[1]}}
options = {"num_cpus": 2, "include_dashboard": False, "log_to_driver": False}
ray.init(**options, runtime_env=environment)
local = kd.compare({"none": models.none, "units": models.units}, x, y, **GIVEN)
builders = {"none": models.none, "units": lambda: models.units()}
found = kd.compare(builders, x, y, processes="ray", **GIVEN)
result = {"same": found == local, "still up": ray.is_initialized()}
try:
    kd.compare({"bad": models.failing, **builders}, x, y, processes="ray", **GIVEN)
except ValueError as error:
    result["failed"] = str(error)
again = kd.compare({"none": models.none, "units": dies_once}, x, y, processes="ray", **GIVEN)
result["killed"] = again == local and MARK.exists()
ray.shutdown()
try:
    kd.compare(builders, x, y, processes="ray", **GIVEN)
except ValueError as error:
    result["missing"] = str(error)
result["ended"] = not ray.is_initialized()
print(json.dumps(result))
