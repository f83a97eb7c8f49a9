"""Losses and scores of a network's raw outputs on one split.

AUC and pAUC are scikit-learn's; pAUC is over false-positive rates up to 0.1, standardised by McClish (chance is 0.5),
as the DCASE2020 Task 2 baseline reports it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tinyprop.datasets.contract import Dataset, Split, Task
from tinyprop.models.specification import Loss

Metrics = dict[str, float]

LOSS_OF_TASK: dict[Task, Loss] = {
    "classification": "softmax_cross_entropy",
    "binary": "binary_cross_entropy",
    "reconstruction": "mean_squared_error",
}

_MAX_FPR = 0.1


def evaluate(outputs: NDArray[np.float32], split: Split, dataset: Dataset) -> Metrics:
    """Metrics of raw outputs, shape (samples, outputs): ``loss`` always, the others where they are defined.

    classification: ``accuracy``. binary: ``accuracy``, and ``auc`` and ``pauc`` of detecting ``dataset.positive``.
    reconstruction: ``auc`` and ``pauc`` of the mean error of a recording, averaged over the domains that hold both
    normal and anomalous recordings, and ``auc.<domain>``, ``pauc.<domain>``.
    """
    return _OF_TASK[dataset.task](outputs.astype(np.float64), split, dataset)


def outputs_of(dataset: Dataset) -> int:
    """How many numbers a network for this dataset puts out."""
    if dataset.task == "classification":
        return len(dataset.classes)
    return 1 if dataset.task == "binary" else int(np.prod(dataset.input_shape))


def _classification(outputs: NDArray[np.float64], split: Split, dataset: Dataset) -> Metrics:
    largest = outputs.max(axis=1, keepdims=True)
    log_sum = largest[:, 0] + np.log(np.exp(outputs - largest).sum(axis=1))
    losses = log_sum - outputs[np.arange(len(outputs)), split.y]
    return {"loss": float(losses.mean()), "accuracy": float((outputs.argmax(axis=1) == split.y).mean())}


def _binary(outputs: NDArray[np.float64], split: Split, dataset: Dataset) -> Metrics:
    logits = outputs[:, 0]
    losses = np.logaddexp(0, logits) - logits * split.y
    metrics = {"loss": float(losses.mean()), "accuracy": float(((logits > 0) == split.y).mean())}
    score = logits if dataset.positive == 1 else -logits
    return metrics | _detection(split.y == dataset.positive, score)


def _reconstruction(outputs: NDArray[np.float64], split: Split, dataset: Dataset) -> Metrics:
    errors = np.square(outputs - split.x.reshape(len(outputs), -1)).mean(axis=1)
    metrics = {"loss": float(errors.mean())}
    if split.group is None or split.domain is None:
        return metrics | _detection(split.y == dataset.positive, errors)
    samples = np.bincount(split.group, minlength=len(split.domain))
    present = samples > 0
    score = np.bincount(split.group, errors, minlength=len(split.domain)) / np.maximum(samples, 1)
    label = np.zeros(len(split.domain), dtype=np.int64)
    label[split.group] = split.y
    domains = np.array(split.domain)
    by_domain = {}
    for domain in sorted(set(split.domain)):
        members = present & (domains == domain)
        if members.any():
            by_domain[domain] = _detection(label[members] == dataset.positive, score[members])
    found = {domain: scores for domain, scores in by_domain.items() if scores}
    for name in ("auc", "pauc"):
        metrics |= {f"{name}.{domain}": scores[name] for domain, scores in found.items()}
        if found:
            metrics[name] = float(np.mean([scores[name] for scores in found.values()]))
    return metrics


def _detection(positive: NDArray[np.bool_], score: NDArray[np.float64]) -> Metrics:
    """AUC and pAUC; nothing where only one of the classes is there and neither is defined."""
    if positive.all() or not positive.any():
        return {}
    from sklearn.metrics import roc_auc_score  # two seconds that most runs do not need

    return {
        "auc": float(roc_auc_score(positive, score)),
        "pauc": float(roc_auc_score(positive, score, max_fpr=_MAX_FPR)),
    }


_OF_TASK: dict[Task, Callable[[NDArray[np.float64], Split, Dataset], Metrics]] = {
    "classification": _classification,
    "binary": _binary,
    "reconstruction": _reconstruction,
}
