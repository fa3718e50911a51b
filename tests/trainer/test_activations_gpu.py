"""What only a CUDA device shows of the activations: no wait in a training step, and captured graphs that follow t."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from trainer.activations.progress import tie
from trainer.catalogue import ACTIVATIONS
from trainer.models.build import build
from trainer.spec import ActivationSpec, ModelSpec

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.fixture
def waiting_is_an_error() -> Iterator[None]:
    torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


def made(activation: str) -> torch.nn.Module:
    spec = ActivationSpec(name=activation)
    return build(ModelSpec(name="tiny_cnn"), spec, outputs=10, input_shape=(1, 8, 8), generator_seed=1).cuda()


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_a_step_does_not_wait_for_the_device(activation: str, request: pytest.FixtureRequest) -> None:
    model = made(activation)
    progress = tie(model)
    x = torch.randn(4, 1, 8, 8, device="cuda")
    request.getfixturevalue("waiting_is_an_error")
    if progress is not None:
        progress.set_epoch(2, 3, 5)
        progress.set_step(1)
    model(x).square().mean().backward()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_the_device_computes_what_the_host_does(activation: str, dtype: torch.dtype) -> None:
    largest = torch.finfo(dtype).max
    x = torch.cat([torch.linspace(-30.0, 30.0, 601), torch.tensor([1e4, -1e4, largest, -largest])]).to(dtype)
    here, there = x.clone().requires_grad_(), x.cuda().requires_grad_()
    module = next(iter(made(activation).cpu()[2:3]))
    y = module(here)
    y.backward(torch.ones_like(y))
    y_there = module.cuda()(there)
    y_there.backward(torch.ones_like(y_there))
    assert here.grad is not None
    assert there.grad is not None
    assert there.grad.isfinite().all()
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(y_there.cpu(), y, rtol=4 * eps, atol=eps)
    torch.testing.assert_close(there.grad.cpu(), here.grad, rtol=8 * eps, atol=4 * eps)


def test_a_captured_graph_follows_t() -> None:
    model = made("dsrelu").eval()
    progress = tie(model)
    assert progress is not None
    x = torch.randn(4, 1, 8, 8, device="cuda")
    with torch.no_grad():
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            model(x)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            captured = model(x)
        for epoch in (1, 2, 3):
            progress.set_epoch(epoch, 3, 1)
            graph.replay()
            torch.testing.assert_close(captured, model(x))
