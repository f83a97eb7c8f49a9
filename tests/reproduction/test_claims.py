"""The claims and studies as they stand: every name in them means something."""

import pytest

from tinyprop.compare.selection import parse
from tinyprop.config.composition import Composer
from tinyprop.reproduction import CLAIMS, STUDIES
from tinyprop.reproduction.scoring import _needed
from tinyprop.reproduction.studies import DATA_SETS
from tinyprop.tracking.configuration import policy_of


@pytest.fixture(scope="module")
def policies():
    """The policies of each study's arms, once a seed has been chosen."""
    composer = Composer()
    found = {}
    for study in STUDIES.values():
        request = composer.request([f"experiment={study.experiment}", "seed=0"], multirun=True)
        assert request.base.dataset.name == study.dataset
        found[study.name] = [policy_of(job.config.plain()) for job in request.jobs]
    return found


def test_every_configuration_that_a_claim_needs_is_an_arm_of_its_study(policies):
    for claim in CLAIMS:
        for name in claim.studies:
            for selectors in _needed(claim):
                texts = STUDIES[name].authors if selectors == ("authors",) else selectors
                assert texts, f"{claim.key}: {name} has no ratios of the authors"
                for text in texts:
                    assert any(parse(text, "claim").matches_policy(policy) for policy in policies[name]), (name, text)


def test_claims_are_told_apart_and_name_known_studies():
    assert len({claim.key for claim in CLAIMS}) == len({claim.name for claim in CLAIMS}) == len(CLAIMS)
    assert {name for claim in CLAIMS for name in claim.studies} == set(STUDIES)
    assert {name for names in DATA_SETS.values() for name in names} <= set(STUDIES)


def test_published_ratios_of_seconds_follow_from_the_published_seconds():
    dense, static, adaptive = 34.3, 22.2, (20.8, 16.0)
    figures = next(claim.figures for claim in CLAIMS if claim.key == "dcase-seconds")
    told = [f"{base / slow:.1f} to {base / fast:.1f}×" for base in (dense, static) for slow, fast in [adaptive]]
    assert figures == f"{told[0]} faster than dense, {told[1]} faster than static .33"


def test_meprops_count_of_five_point_nine_is_that_of_two_hidden_layers_of_500():
    weights, inputs = (784 * 500, 500 * 500, 500 * 10), (500 * 500, 500 * 10)
    kept = 80 * 784 + 80 * 500 + 5000 + 80 * 500 + 5000
    assert (sum(weights) + sum(inputs)) / kept == pytest.approx(5.906, abs=1e-3)
