"""What it costs that a network calls its activation as a function: ``python tests/bench/bench_replaced_calls.py``.

torchvision's networks with ReLU in the place of their own calls, against the originals: milliseconds of a forward pass
of one image of 32x32, the least of some rounds, and microseconds more for a call. One thread.
"""

from __future__ import annotations

import time

import torch
import torchvision
from torch import nn

from trainer.models.build import build
from trainer.models.placement import activation_modules
from trainer.spec import ActivationSpec, ModelSpec

ROUNDS, PASSES = 7, 10


def least_ms(models: list[nn.Module]) -> list[float]:
    """Of a pass of each, measured in turn, so that other load is shared."""
    items, found = torch.randn(1, 3, 32, 32), [float("inf")] * len(models)
    with torch.no_grad():
        for _ in range(ROUNDS):
            for place, model in enumerate(models):
                start = time.perf_counter()
                for _ in range(PASSES):
                    model(items)
                found[place] = min(found[place], (time.perf_counter() - start) / PASSES * 1e3)
    return found


def main() -> None:
    torch.set_num_threads(1)
    print(f"{'network':<14}{'calls':>7}{'replaced ms':>13}{'original ms':>13}{'us a call':>11}")
    for name, options in (("googlenet", {"aux_logits": False, "init_weights": False}), ("densenet121", {})):
        spec = ModelSpec(name=f"torchvision.{name}")
        relu = ActivationSpec(name="relu")
        replaced = build(spec, relu, outputs=10, input_shape=(3, 32, 32), generator_seed=1).eval()
        original = torchvision.models.get_model(name, weights=None, num_classes=10, **options).eval()
        calls = len(activation_modules(replaced))
        ours, theirs = least_ms([replaced, original])
        print(f"{name:<14}{calls:>7}{ours:>13.2f}{theirs:>13.2f}{(ours - theirs) / calls * 1e3:>11.1f}")


if __name__ == "__main__":
    main()
