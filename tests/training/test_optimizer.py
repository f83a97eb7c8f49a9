"""Learning rates by hand, optimizers against PyTorch's own."""

import math

import pytest
import torch
from torch import nn

from tinyprop.errors import InvalidSettings
from tinyprop.training.optimizer import Adam, AdamW, Sgd


def rates(optimizer, epochs: int) -> list[float]:
    return [optimizer.rate(epoch, epochs) for epoch in range(epochs)]


def test_a_constant_rate_stays():
    assert rates(Sgd(lr=0.3), 3) == [0.3, 0.3, 0.3]


def test_a_step_schedule_multiplies_every_so_many_epochs():
    found = rates(Sgd(lr=1.0, schedule="step", step_epochs=2, step_factor=0.1), 6)
    assert found == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_a_cosine_falls_from_the_rate_towards_zero():
    found = rates(Sgd(lr=2.0, schedule="cosine"), 4)
    assert found == pytest.approx([2, 1 + math.sqrt(0.5), 1, 1 - math.sqrt(0.5)])


def test_warm_up_rises_linearly_and_then_the_schedule_begins():
    found = rates(Sgd(lr=1.0, warmup_epochs=3, schedule="step", step_epochs=1, step_factor=0.5), 6)
    assert found == pytest.approx([0.25, 0.5, 0.75, 1, 0.5, 0.25])
    cosine = rates(Sgd(lr=1.0, warmup_epochs=1, schedule="cosine"), 3)
    assert cosine == pytest.approx([0.5, 1, 0.5])


def test_a_warm_up_longer_than_the_run_is_no_error():
    assert rates(Sgd(lr=1.0, warmup_epochs=9, schedule="cosine"), 2) == pytest.approx([0.1, 0.2])


PAIRS = [
    (Sgd(lr=0.1), lambda p: torch.optim.SGD(p, 0.1)),
    (
        Sgd(lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
        lambda p: torch.optim.SGD(p, 0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
    ),
    (
        Adam(lr=0.02, beta1=0.8, beta2=0.99, epsilon=1e-6, weight_decay=0.1),
        lambda p: torch.optim.Adam(p, 0.02, (0.8, 0.99), 1e-6, 0.1),
    ),
    (AdamW(lr=0.02), lambda p: torch.optim.AdamW(p, 0.02, (0.9, 0.999), 1e-8, 0.01)),
]


@pytest.mark.parametrize(("settings", "plain"), PAIRS, ids=lambda value: getattr(value, "name", None))
def test_a_built_optimizer_takes_pytorchs_steps(settings, plain):
    networks = [nn.Linear(4, 3), nn.Linear(4, 3)]
    networks[1].load_state_dict(networks[0].state_dict())
    optimizers = [settings.build(networks[0].parameters()), plain(networks[1].parameters())]
    torch.manual_seed(0)
    for _ in range(5):
        x = torch.randn(6, 4)
        for network, optimizer in zip(networks, optimizers, strict=True):
            optimizer.zero_grad()
            network(x).square().mean().backward()
            optimizer.step()
    torch.testing.assert_close(networks[0].weight, networks[1].weight, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(networks[0].bias, networks[1].bias, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("settings", [Sgd(), Sgd(momentum=0.5), Adam(), AdamW()])
def test_what_is_kept_between_steps_is_what_pytorch_keeps(settings):
    layer = nn.Linear(5, 2)
    built = settings.build(layer.parameters())
    layer(torch.ones(1, 5)).sum().backward()
    built.step()
    kept = sum(v.numel() for v in built.state[layer.weight].values() if torch.is_tensor(v) and v.numel() > 1)
    assert settings.state_per_weight * layer.weight.numel() == kept


def test_settings_name_every_value_that_is_wrong():
    with pytest.raises(InvalidSettings) as refused:
        Adam(lr=0, weight_decay=-1, schedule="linear", warmup_epochs=-1, step_epochs=0, step_factor=2, beta1=1)
    fields = [field for field, _ in refused.value.problems]
    assert fields == ["lr", "weight_decay", "schedule", "warmup_epochs", "step_epochs", "step_factor", "beta1"]
    assert "linear" in str(refused.value)


@pytest.mark.parametrize("lr", [0.0, -0.1, math.inf, math.nan])
def test_a_rate_must_be_a_finite_positive_number(lr):
    with pytest.raises(InvalidSettings, match=r"lr: .* is not a finite number above 0"):
        Sgd(lr=lr)


def test_nesterov_needs_momentum():
    with pytest.raises(InvalidSettings, match="nesterov: needs momentum above 0"):
        Sgd(nesterov=True)
    with pytest.raises(InvalidSettings, match="momentum"):
        Sgd(momentum=1.0)
