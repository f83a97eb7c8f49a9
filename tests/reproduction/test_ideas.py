"""Policies of ours against the adaptive one, on numbers that are known."""

import pytest

from tests.reproduction.evidence import DENSE, OURS, evidence, runs
from tinyprop.reproduction.ideas import ideas


def budget(share):
    return {"name": "budget", "budget": share, "sparsify_output": True}


def test_a_budget_is_held_against_the_line_between_its_adaptive_neighbours(tmp_path):
    found = [
        *runs(tmp_path, DENSE, [0.9] * 5, 1.0),
        *runs(tmp_path, OURS, [0.85] * 5, 0.2),
        *runs(tmp_path, {**OURS, "s_min": 0.0}, [0.75] * 5, 0.1),
        *runs(tmp_path, budget(0.15), [0.83, 0.831, 0.829, 0.83, 0.83], 0.15),
    ]
    (table,) = ideas(evidence(found))
    (row,) = table.rows
    assert row.difference.mean == pytest.approx(0.03)  # 83 % against half of 85 and half of 75
    assert [share for _, share in row.parts] == pytest.approx([0.5, 0.5])
    assert row.cost_ratio == pytest.approx(1.0)
    assert row.difference.p_holm < 0.05


def test_output_layers_sparse_and_dense_are_not_mixed_on_one_line_and_either_may_be_the_strongest(tmp_path):
    found = [
        *runs(tmp_path, OURS, [0.85] * 5, 0.2),
        *runs(tmp_path, {**OURS, "sparsify_output": True}, [0.6] * 5, 0.1),
        *runs(tmp_path, budget(0.15), [0.8] * 5, 0.15),
    ]
    (table,) = ideas(evidence(found))
    # Not the line between 60 and 85 %; the dense one stands with what it has, which costs more.
    assert table.rows[0].difference.mean == pytest.approx(-0.05)
    assert (table.rows[0].costs_more, table.rows[0].cost_ratio) == (True, pytest.approx(0.75))


def test_studies_without_a_policy_of_ours_have_no_table(tmp_path):
    assert ideas(evidence([*runs(tmp_path, DENSE, [0.9] * 5, 1.0), *runs(tmp_path, OURS, [0.9] * 5, 0.2)])) == []
