"""What an experiment of ours looks like in MLflow's pages: its columns, and means over seeds, as saved views.

MLflow keeps views as tags of the experiment, as its pages themselves write them (3.17); where a version knows none, its
own columns are shown.
"""

from __future__ import annotations

import json

RUNS_VIEW = "tinyprop-runs"
"""The key of the view with a row for each run."""
MEANS_VIEW = "tinyprop-means"
"""The key of the view with a row for each configuration."""

_KIND = "mlflow.experimentKind"
_NAME_WIDTH = 390
_NUMBER_WIDTH = 130
_NOTE = (
    "**Views**, top right: every run, or means over seeds. Runs of a sweep are folded under it, with its `report.html`."
)
_METRICS = ("accuracy", "backward_ratio", "step_ratio", "wall_seconds")
_TAGS = ("tinyprop.setting",)


def experiment_tags() -> dict[str, str]:
    """Tags for an experiment that is created."""
    name = "attributes.`Run Name`"
    metrics = [f"metrics.`{metric}`" for metric in _METRICS]
    columns = [*metrics, *(f"tags.`{tag}`" for tag in _TAGS)]
    layout: dict[str, object] = {
        "selectedColumns": columns,
        "columnOrder": [name, "runDateAndNestInfo", *columns],
        "columnWidths": {name: _NAME_WIDTH, **dict.fromkeys(metrics, _NUMBER_WIDTH)},
    }
    keys = [{"mode": "tag", "groupByData": tag} for tag in ("tinyprop.arm", "tinyprop.setting")]
    means: dict[str, object] = {
        "searchFilter": "tags.`tinyprop.arm` LIKE '%'",  # not the sweeps themselves
        "groupBy": {"aggregateFunction": "average", "groupByKeys": keys},
    }
    return {
        _KIND: "custom_model_development",  # pages for training, not for language models
        "mlflow.note.content": _NOTE,
        **_view(RUNS_VIEW, "accuracy and cost", layout),
        **_view(MEANS_VIEW, "means over seeds", {**layout, **means}),
    }


def is_described(tags: dict[str, str]) -> bool:
    """Whether an experiment has had its tags; what its user has changed since then stays."""
    return _KIND in tags


def address(server: str, experiment_id: str) -> str:
    """The page with the runs of an experiment of ours."""
    return f"{server}/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={RUNS_VIEW}"


def view_tag(key: str) -> str:
    """The experiment's tag that holds a view."""
    return f"mlflow.sharedViewState.{key}"


def _view(key: str, name: str, state: dict[str, object]) -> dict[str, str]:
    return {view_tag(key): json.dumps({"name": name, "createdAt": 1, "updatedAt": 1, "state": json.dumps(state)})}
