"""A trained network as an MLflow model: cheap to write, with its signature, loadable from the run."""

from __future__ import annotations

import copy
import logging
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch

NAME = "model"
"""The model's name in its run: ``runs:/<run_id>/model``."""


def log_model(
    client: Any,
    experiment_id: str,
    run_id: str,
    module: torch.nn.Module,
    input_example: np.ndarray[Any, np.dtype[Any]],
) -> None:
    """Store ``module`` in evaluation mode and on the CPU as the model of the run.

    The client's own steps instead of ``mlflow.pytorch.log_model``: that one works on the active run, guesses the
    requirements for ten seconds, and loads the model once more to try it.
    """
    import mlflow.pytorch
    import torch
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model, infer_signature

    # pickled: an exported graph (pt2) would take four seconds, and fix the batch size of sparse layers
    logging.getLogger("mlflow.pytorch").setLevel(logging.ERROR)  # warns of pickle each time
    network = copy.deepcopy(module).cpu().eval()
    with torch.no_grad():
        output = network(torch.from_numpy(input_example)).numpy()
    logged = client.create_logged_model(experiment_id, name=NAME, source_run_id=run_id)
    status = "FAILED"
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / NAME
            mlflow.pytorch.save_model(
                network,
                path,
                mlflow_model=Model(
                    artifact_path=logged.artifact_location,
                    model_uuid=logged.model_id,
                    run_id=run_id,
                    model_id=logged.model_id,
                ),
                signature=infer_signature(input_example, output),
                input_example=input_example,
                pip_requirements=_requirements(network),
                serialization_format="pickle",
            )
            client.log_model_artifacts(logged.model_id, str(path))
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        status = "READY"
    finally:
        client.finalize_logged_model(logged.model_id, status)


def _requirements(network: torch.nn.Module) -> list[str]:
    """What loading needs: tinyprop only if a layer is one of its own, so that a plain network loads without it."""
    own = any(type(layer).__module__.startswith("tinyprop.") for layer in network.modules())
    return [f"{name}=={version(name).partition('+')[0]}" for name in ("torch", "numpy", *(["tinyprop"] if own else []))]
