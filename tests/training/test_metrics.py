"""Losses and scores against PyTorch and scikit-learn."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import accuracy_score, roc_auc_score

from tinyprop.backends.torch_backend import LOSSES
from tinyprop.datasets.contract import Dataset, Split
from tinyprop.training.metrics import LOSS_OF_TASK, evaluate, outputs_of


def dataset(task, split, classes=("0", "1"), positive=1) -> Dataset:
    return Dataset("d", task, split, split, classes, positive)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def float32(array) -> np.ndarray:
    return np.asarray(array, dtype=np.float32)


def test_classification_is_pytorchs_cross_entropy_and_sklearns_accuracy(rng):
    outputs, y = float32(rng.normal(size=(50, 4)) * 30), rng.integers(0, 4, 50)
    split = Split(np.zeros((50, 2), np.float32), y)
    found = evaluate(outputs, split, dataset("classification", split, tuple("0123")))
    assert found["loss"] == pytest.approx(F.cross_entropy(torch.tensor(outputs).double(), torch.tensor(y)).item())
    assert found["accuracy"] == accuracy_score(y, outputs.argmax(axis=1))
    assert set(found) == {"loss", "accuracy"}


def test_a_confident_mistake_has_a_large_finite_loss():
    split = Split(np.zeros((1, 1), np.float32), np.array([1]))
    found = evaluate(float32([[1e4, 0]]), split, dataset("classification", split))
    assert found["loss"] == pytest.approx(1e4)


@pytest.mark.parametrize("positive", [0, 1])
def test_binary_scores_detect_the_positive_label(rng, positive):
    outputs, y = float32(rng.normal(size=(200, 1))), rng.integers(0, 2, 200)
    outputs[:, 0] += y
    split = Split(np.zeros((200, 2), np.float32), y)
    found = evaluate(outputs, split, dataset("binary", split, positive=positive))
    logits = torch.tensor(outputs).double()[:, 0]
    expected = F.binary_cross_entropy_with_logits(logits, torch.tensor(y).double()).item()
    assert found["loss"] == pytest.approx(expected)
    assert found["accuracy"] == accuracy_score(y, outputs[:, 0] > 0)
    score = outputs[:, 0] if positive else -outputs[:, 0]
    assert found["auc"] == pytest.approx(roc_auc_score(y == positive, score))
    assert found["pauc"] == pytest.approx(roc_auc_score(y == positive, score, max_fpr=0.1))


def test_scores_are_left_out_where_only_one_class_is_there():
    split = Split(np.zeros((3, 2), np.float32), np.zeros(3, np.int64))
    assert set(evaluate(float32([[1], [2], [-1]]), split, dataset("binary", split))) == {"loss", "accuracy"}


def recordings(rng):
    """Six recordings of two machines, three to five windows each; machine b has no anomaly, c no recording at all."""
    lengths = [3, 5, 4, 3, 4, 5]
    group = np.repeat(np.arange(6), lengths)
    domain = ("a", "a", "b", "a", "a", "b")
    label = np.array([0, 1, 0, 0, 1, 0])
    x = float32(rng.normal(size=(len(group), 2, 3)))
    return Split(x, label[group], group, domain), label


def test_reconstruction_scores_recordings_by_their_mean_error_domain_by_domain(rng):
    split, label = recordings(rng)
    outputs = float32(split.x.reshape(len(split), -1) + rng.normal(size=(len(split), 6)))
    found = evaluate(outputs, split, dataset("reconstruction", split))
    errors = np.array([np.mean((o - x.ravel()) ** 2) for o, x in zip(outputs, split.x, strict=True)])
    assert found["loss"] == pytest.approx(
        F.mse_loss(torch.tensor(outputs), torch.tensor(split.x).flatten(1)).item(), rel=1e-6
    )
    scores = np.array([errors[split.group == g].mean() for g in range(6)])
    of_a = [0, 1, 3, 4]
    expected = roc_auc_score(label[of_a], scores[of_a])
    assert found["auc.a"] == found["auc"] == pytest.approx(expected)
    assert found["pauc.a"] == found["pauc"] == pytest.approx(roc_auc_score(label[of_a], scores[of_a], max_fpr=0.1))
    assert "auc.b" not in found, "without an anomaly there is nothing to detect"


def test_the_average_over_domains_weighs_them_equally(rng):
    sizes = {"id_00": (30, 10), "id_02": (4, 4)}
    domain = tuple(name for name, (normal, anomalous) in sizes.items() for _ in range(normal + anomalous))
    label = np.concatenate([[0] * normal + [1] * anomalous for normal, anomalous in sizes.values()])
    group = np.arange(len(label))
    split = Split(np.zeros((len(label), 1), np.float32), label, group, domain)
    outputs = float32(rng.normal(size=(len(label), 1)) + label[:, np.newaxis])
    found = evaluate(outputs, split, dataset("reconstruction", split))
    scores = outputs[:, 0].astype(np.float64) ** 2
    by_domain = [np.array(domain) == name for name in sizes]
    for name, kwargs in (("auc", {}), ("pauc", {"max_fpr": 0.1})):
        each = [roc_auc_score(label[members], scores[members], **kwargs) for members in by_domain]
        assert [found[f"{name}.{domain}"] for domain in sizes] == pytest.approx(each)
        assert found[name] == pytest.approx(np.mean(each))
        assert found[name] != pytest.approx(roc_auc_score(label, scores, **kwargs))


def test_a_subset_whose_groups_are_not_all_there_is_scored_on_what_is(rng):
    split, label = recordings(rng)
    part = split.group != 3
    smaller = Split(split.x[part], split.y[part], split.group[part], split.domain)
    outputs = float32(rng.normal(size=(len(smaller), 6)))
    found = evaluate(outputs, smaller, dataset("reconstruction", smaller))
    errors = np.square(outputs - smaller.x.reshape(len(smaller), -1)).mean(axis=1)
    scores = np.array([errors[smaller.group == g].mean() for g in (0, 1, 4)])
    assert found["auc"] == pytest.approx(roc_auc_score(label[[0, 1, 4]], scores))


def test_the_loss_of_an_evaluation_is_the_loss_that_is_trained(rng):
    x = float32(rng.normal(size=(20, 3, 2)))
    for task, width, y in (
        ("classification", 4, rng.integers(0, 4, 20)),
        ("binary", 1, rng.integers(0, 2, 20)),
        ("reconstruction", 6, np.zeros(20, np.int64)),
    ):
        split = Split(x, y)
        outputs = float32(rng.normal(size=(20, width)))
        target = torch.tensor(x if task == "reconstruction" else y)
        trained = LOSSES[LOSS_OF_TASK[task]](torch.tensor(outputs), target).item()
        assert evaluate(outputs, split, dataset(task, split, tuple("0123")))["loss"] == pytest.approx(trained, rel=1e-5)


def test_a_network_puts_out_what_its_task_needs():
    split = Split(np.zeros((1, 3, 2), np.float32), np.zeros(1, np.int64))
    assert outputs_of(dataset("classification", split, tuple("01234"))) == 5
    assert outputs_of(dataset("binary", split)) == 1
    assert outputs_of(dataset("reconstruction", split)) == 6
