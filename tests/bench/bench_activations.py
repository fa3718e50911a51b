"""What each activation costs against ReLU: eager, one CPU thread, forward and backward.

    python tests/bench/bench_activations.py [--rounds 40] [--dtype float32] [--compile]

Process CPU time, so that other processes on the machine matter little; every timed call follows an untimed one of the
same function, and each is divided by a ReLU call beside it. Prints the median ratio per shape, and the forward's share.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from trainer.catalogue import ACTIVATIONS, resolve

SHAPES = ((32, 64, 16, 16), (32, 512, 4, 4))
VARIANTS: dict[str, tuple[dict[str, Any], ...]] = {
    "apalu": ({}, {"granularity": "channel"}, {"trainable": False}),
    "lelu": ({}, {"trainable": True}, {"trainable": True, "granularity": "channel"}),
    "alrelu": ({}, {"trainable": True}),
    "gelu": ({}, {"approximate": "tanh"}),
    "scaled_leaky_relu": ({}, {"scale": True}),
}


def seconds(function: Callable[[Tensor], Tensor], x: Tensor, gradient: Tensor) -> tuple[float, float]:
    """CPU time of forward and backward together, and of the forward alone."""
    leaf = x.detach().requires_grad_()
    start = time.process_time()
    y = function(leaf)
    middle = time.process_time()
    y.backward(gradient)
    return time.process_time() - start, middle - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--compile", action="store_true", help="compile each activation (ReLU stays eager)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    dtype = getattr(torch, options.dtype)
    generator = torch.Generator().manual_seed(0)
    print(f"{platform.machine()}, torch {torch.__version__}, {options.dtype}, one thread, median of {options.rounds}")
    for shape in SHAPES:
        x, gradient = (torch.randn(shape, generator=generator).to(dtype) for _ in range(2))
        base = statistics.median(seconds(torch.relu, x, gradient)[0] for _ in range(options.rounds))
        print(f"{list(shape)}: ReLU {base * 1e3:.3f} ms")
        for name in ACTIVATIONS:
            kind = resolve("activation", name, ACTIVATIONS)
            for params in VARIANTS.get(name, ({},)):
                module = kind(**params, **({"channels": shape[1]} if "granularity" in params else {}))
                function = torch.compile(module, fullgraph=True) if options.compile else module
                ratios, shares = [], []
                for _ in range(options.rounds):
                    seconds(torch.relu, x, gradient)
                    unit, _ = seconds(torch.relu, x, gradient)
                    seconds(function, x, gradient)
                    whole, forward = seconds(function, x, gradient)
                    ratios.append(whole / unit)
                    shares.append(forward / whole)
                label = " ".join([name, *(f"{key}={value}" for key, value in params.items())])
                print(f"  {label:42} {statistics.median(ratios):5.1f}  (forward {statistics.median(shares):.0%})")


if __name__ == "__main__":
    main()
