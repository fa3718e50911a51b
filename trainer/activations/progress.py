"""Training progress ``t``: which readings of it there are, and how it reaches every layer that follows it.

The readings, for ``epoch`` (counted from 1) of ``epochs`` and ``step`` (from 0) of ``steps`` per epoch:

- "epoch": (epoch - 1) / (epochs - 1), the fraction of training, moved before every epoch
- "step": ((epoch - 1) steps + step) / (epochs steps - 1), the same fraction, moved before every step
- "epochs": epoch - 1 + step / steps, the epochs done, moved before every step; it grows past 1, so that a slope is over
  its fall within two epochs. What the authors of DSReLU may have meant
- "released": epoch / steps, moved before every epoch, for the first such layer of the model (the stem) alone; all the
  others stay at 0. What the DSReLU authors' code did
- "constant": t never moves

Validation after an epoch sees the t that the epoch's last training step saw.

Any module takes part, a plug-in's too, that has

- ``progress``: one of the readings, as a string
- ``t``: a 0-d float32 buffer, registered with ``register_buffer("t", torch.tensor(0.0))``

and reads ``self.t`` as a tensor in its forward. Reading it as a number there (``float(self.t)``) would wait for the
device in every pass and freeze into compiled code.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

READINGS = ("epoch", "step", "epochs", "released", "constant")
PER_STEP = frozenset({"step", "epochs"})


def progress_at(reading: str, *, epoch: int, epochs: int, steps: int, step: int = 0) -> float:
    """t of a reading (float64) for training step ``step`` (from 0) of ``steps`` in ``epoch`` (from 1) of ``epochs``. A
    training of one epoch ("epoch") or of one step ("step") stays at 0. Raises ValueError for a place outside the
    training, and for "constant", which has no such value."""
    if not (1 <= epoch <= epochs and 0 <= step < steps):
        raise ValueError(
            f"progress: got epoch {epoch} of {epochs}, step {step} of {steps}; accepts epochs from 1 to their number "
            "and steps from 0 to one before theirs"
        )
    if reading == "epoch":
        return (epoch - 1) / max(epochs - 1, 1)
    if reading == "step":
        return ((epoch - 1) * steps + step) / max(epochs * steps - 1, 1)
    if reading == "epochs":
        return epoch - 1 + step / steps
    if reading == "released":
        return epoch / steps
    raise ValueError(f"progress: got reading {reading!r}, accepts one of epoch, step, epochs, released")


class Progress:
    """Writes t for all layers of one model. Made by :func:`tie`."""

    def __init__(self, reading: str, tensor: Tensor) -> None:
        self.reading = reading
        self.tensor = tensor
        """The one 0-d tensor that the moving layers read."""
        self.per_step = reading in PER_STEP
        """Whether t moves within an epoch, so that :meth:`set_step` is needed before every step."""
        self._place: tuple[int, int, int] | None = None

    def set_epoch(self, epoch: int, epochs: int, steps: int) -> None:
        """Before the training pass of ``epoch`` (from 1) of ``epochs``, which has ``steps`` steps."""
        self._place = (epoch, epochs, steps)
        self._write(0)

    def set_step(self, step: int) -> None:
        """Before training step ``step`` (from 0) of the epoch last set. Writes only where :attr:`per_step`."""
        if self.per_step:
            self._write(step)

    def _write(self, step: int) -> None:
        if self.reading == "constant":
            return
        assert self._place is not None, "set_epoch comes before set_step"
        epoch, epochs, steps = self._place
        # fill_ hands the device a number and waits for nothing; captured graphs keep reading the same tensor.
        self.tensor.fill_(progress_at(self.reading, epoch=epoch, epochs=epochs, steps=steps, step=step))


def following(model: nn.Module) -> Iterator[nn.Module]:
    """The modules of ``model`` that follow training progress, in the order of registration."""
    for module in model.modules():
        if isinstance(getattr(module, "progress", None), str) and "t" in module._buffers:
            yield module


def tie(model: nn.Module) -> Progress | None:
    """Makes all layers of ``model`` that follow progress read one tensor, and gives the object that writes it; None if
    there is no such layer.

    Call it once the model is on its device: ``Module.to`` and ``copy.deepcopy`` make new buffers, so the new model is
    tied anew. ``load_state_dict`` writes into the tensor and keeps the tie. The layers keep the t they had. Under the
    reading "released" the first layer has a tensor of its own, which moves, and the others share one that stays.

    Raises ValueError if layers disagree about the reading or about the device, or one is unknown.
    """
    layers = list(following(model))
    if not layers:
        return None
    readings = sorted({str(layer.progress) for layer in layers})
    if len(readings) > 1:
        raise ValueError(
            f"progress: got the readings {', '.join(readings)} in one model, accepts one for all its layers"
        )
    if readings[0] not in READINGS:
        raise ValueError(f"progress: got reading {readings[0]!r}, accepts one of {', '.join(READINGS)}")
    if len(devices := {str(layer.t.device) for layer in layers if isinstance(layer.t, Tensor)}) > 1:
        raise ValueError(f"progress: got layers on {', '.join(sorted(devices))}, accepts a model on one device")
    if readings[0] == "released":
        moving = _share(layers[:1])
        if layers[1:]:
            _share(layers[1:])
    else:
        moving = _share(layers)
    return Progress(readings[0], moving)


def _share(layers: list[nn.Module]) -> Tensor:
    first = layers[0].t
    assert isinstance(first, Tensor)
    if first.ndim:
        raise ValueError(f"progress: got a buffer t of shape {list(first.shape)}, accepts a 0-d tensor")
    # fp32 even in a bf16 model, which could not tell neighbouring epochs of a long training apart; fp64 stays.
    dtype = first.dtype if first.dtype == torch.float64 else torch.float32
    shared = first.detach().to(dtype).clone()
    for layer in layers:
        layer._buffers["t"] = shared
    return shared
