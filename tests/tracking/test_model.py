import numpy as np
import torch

from tinyprop.sparse import Adaptive, sparsify
from tinyprop.tracking.model import NAME, _requirements


def network() -> torch.nn.Module:
    torch.manual_seed(3)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(72, 4)
    )


def test_the_model_loads_back_from_its_run_with_signature_and_equal_outputs(store, client, monkeypatch):
    import mlflow

    monkeypatch.setattr(mlflow.tracking._tracking_service.utils, "_tracking_uri", store.uri)
    samples = np.random.default_rng(0).normal(size=(5, 1, 8, 8)).astype(np.float32)
    model = network().train()
    run = store.start_run("with a model")
    run.log_model(model, samples[:2])
    run.finish("FINISHED")
    assert model.training  # the caller's network is left as it was

    uri = f"runs:/{run.run_id}/{NAME}"
    loaded = mlflow.pytorch.load_model(uri)
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(samples))
        assert torch.equal(loaded(torch.from_numpy(samples)), expected)
    signature = mlflow.models.get_model_info(uri).signature
    assert signature.inputs.inputs[0].shape == (-1, 1, 8, 8)
    assert signature.outputs.inputs[0].shape == (-1, 4)
    np.testing.assert_allclose(mlflow.pyfunc.load_model(uri).predict(samples), expected.numpy(), rtol=1e-6)
    (output,) = client.get_run(run.run_id).outputs.model_outputs
    logged = client.get_logged_model(output.model_id)
    assert (logged.name, str(logged.status)) == (NAME, "READY")


def test_a_network_with_sparse_layers_is_stored_between_two_steps_and_loads_back(store, monkeypatch):
    import mlflow

    monkeypatch.setattr(mlflow.tracking._tracking_service.utils, "_tracking_uri", store.uri)
    model = network()
    sparsify(model, Adaptive())
    samples = torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.nn.functional.cross_entropy(model(samples), torch.tensor([0, 1, 2, 3, 0, 1])).backward()
    optimizer.step()
    run = store.start_run("sparse")
    run.log_model(model, samples.numpy()[:2])
    run.finish("FINISHED")

    loaded = mlflow.pytorch.load_model(f"runs:/{run.run_id}/{NAME}")
    with torch.no_grad():
        assert torch.equal(loaded(samples), model.eval()(samples))


def test_only_a_network_with_layers_of_tinyprop_requires_it():
    plain, sparse = network(), network()
    sparsify(sparse, Adaptive())
    assert [name.partition("==")[0] for name in _requirements(plain)] == ["torch", "numpy"]
    assert [name.partition("==")[0] for name in _requirements(sparse)] == ["torch", "numpy", "tinyprop"]


def test_storing_a_model_is_quiet(store, capfd):
    run = store.start_run("quiet")
    run.log_model(network(), np.zeros((1, 1, 8, 8), np.float32))
    run.finish("FINISHED")
    assert capfd.readouterr() == ("", "")
