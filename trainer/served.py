"""A fold's kept weights as a function of items, in a folder that needs neither the study nor its data.

MLflow loads it as a model: :func:`_load_pyfunc` is what its ``loader_module`` has to have. The folder holds
``fold.json`` (the fold's specification), ``best.pt`` (as the fold kept it: weights, what inputs and task learnt of the
training part) and ``served.json`` (the little that a network and a task ask of a data set when they are made). Nothing
is unpickled but tensors. Loads without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from trainer.codec import Format, from_text, to_text
from trainer.datasets.reader import Dataset, Kind, Standardise, Windows
from trainer.errors import SpecError
from trainer.spec import FoldSpec

if TYPE_CHECKING:
    import torch

FACTS, SPEC, WEIGHTS = "served.json", "fold.json", "best.pt"
SERVED = Format(name="registered model", schema=1)


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What of a data set is part of a model."""

    FORMAT: ClassVar[Format] = SERVED

    schema: int = SERVED.schema
    dataset: str
    shape: tuple[int, ...]
    """Of an item: (channels, height, width)."""
    dtype: str
    """Of the items, by numpy's name."""
    kind: Kind
    classes: tuple[str, ...]
    columns: int
    """Quantities to be predicted of an item; 0 where it has a class alone."""
    vocabulary: int | None
    standardise: Standardise
    mean: tuple[float, ...]
    std: tuple[float, ...]
    column: int | None
    """Of windows of time series: which feature is the value's own past; None where windows do not show its level."""

    @staticmethod
    def of(dataset: Dataset) -> Facts:
        return Facts(
            dataset=dataset.name,
            shape=tuple(map(int, dataset.items.shape[1:])),
            dtype=dataset.items.dtype.name,
            kind=dataset.kind,
            classes=tuple(dataset.classes),
            columns=0 if dataset.values is None else int(dataset.values.shape[1]),
            vocabulary=dataset.vocabulary,
            standardise=dataset.standardise,
            mean=tuple(map(float, dataset.mean)),
            std=tuple(map(float, dataset.std)),
            column=_shown(dataset),
        )

    def blank(self) -> Dataset:
        """A data set of which all this is true, and whose items say nothing."""
        n = max(2, len(self.classes))
        rising = np.arange(n, dtype=np.int64)
        values = np.repeat(rising[:, None].astype(np.float64), self.columns, axis=1)
        windows = None
        if self.column is not None:
            windows = Windows(
                first=rising, ahead=rising + 1, known=values[:, :1], series=rising * 0, column=self.column
            )
        return Dataset(
            name=self.dataset,
            items=np.zeros((n, *self.shape), np.dtype(self.dtype)),
            labels=rising if self.classes else None,
            classes=self.classes,
            values=values if self.columns else None,
            kind=self.kind,
            order=rising if windows is not None else None,
            windows=windows,
            vocabulary=self.vocabulary,
            standardise=self.standardise,
            mean=self.mean,
            std=self.std,
            digest="",
        )


def _shown(dataset: Dataset) -> int | None:
    windows = dataset.windows
    if windows is None:
        return None
    last = np.asarray(dataset.items[:, 0, -1, windows.column], np.float64)
    return windows.column if np.allclose(last, np.asarray(windows.known)[:, 0], rtol=1e-5, atol=0.0) else None


def write(folder: Path, spec: FoldSpec, dataset: Dataset) -> None:
    """Beside ``best.pt``, what it needs to be a function. ``dataset``: as the fold's task trained on it."""
    (folder / SPEC).write_text(to_text(spec), encoding="utf-8")
    (folder / FACTS).write_text(to_text(Facts.of(dataset)), encoding="utf-8")


class Served:
    """The model in a folder, on the CPU unless it is told of another device."""

    def __init__(self, folder: Path, target: torch.device | None = None) -> None:
        """Raises :class:`SpecError` for a folder of another fold's weights, or of a version that cannot be read here,
        and ValueError for a task or model that cannot be made without its data."""
        import torch

        from trainer import checkpoint, network
        from trainer.activations import progress
        from trainer.inputs import Inputs
        from trainer.tasks import task as tasks

        self.spec = from_text(FoldSpec, (folder / SPEC).read_text(encoding="utf-8"))
        self.facts = from_text(Facts, (folder / FACTS).read_text(encoding="utf-8"))
        state = checkpoint.load(folder / WEIGHTS)
        if state is None or state.get("digest") != self.spec.digest:
            what = "is not whole" if state is None else f"is of fold {state.get('digest')}, not of {self.spec.digest}"
            raise SpecError(f"{folder / WEIGHTS}: {what}; load the model from where it was registered")
        self.target = target or torch.device("cpu")
        blank = self.facts.blank()
        task = tasks.find(self.spec.task, self.spec.task_options)(blank, **self.spec.task_options)
        task.stage = tasks.stages(task, self.spec.training)[-1].name
        task.load_state_dict(state["task"])
        inputs = Inputs(blank)
        inputs.load_state_dict(state["inputs"])
        self.task, self.inputs = task.to(self.target).eval(), inputs.to(self.target)
        self.model = network.make(self.spec, blank, task, self.target)
        progress.tie(self.model)
        self.model.load_state_dict(state["model"])
        self.model.eval()

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> NDArray[Any]:
        """What the task's :meth:`trainer.tasks.task.Task.predicted` says of items [n, channels, height, width], given
        as the data set has them, before any scaling. Raises ValueError for items of another shape or type."""
        import torch

        from trainer import batches, device, network

        items = self._accepted(model_input)
        stored = torch.from_numpy(items)
        if items.dtype not in (np.uint8, np.float64) and self.facts.kind != "tokens":
            stored = stored.float()
        before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        device.set_precision(self.spec.training.precision)
        try:
            seen = batches.Rows(len(items))
            with torch.no_grad():
                for first, end in batches.bounds(len(items), self.spec.training.evaluate_batch):
                    batch = stored[first:end].to(self.target)
                    made = self.inputs(batch, device.dtype(self.spec.training.precision))
                    outputs = network.forward(self.spec, self.task, self.model, made)
                    seen.put(first, end, self.task.predicted(outputs, batch))
        finally:
            device.set_tf32(*before)
        found: NDArray[Any] = seen.rows.cpu().numpy()
        return found

    def _accepted(self, given: Any) -> NDArray[Any]:
        items, wanted = np.asarray(given), np.dtype(self.facts.dtype)
        shape = "x".join(map(str, self.facts.shape))
        if items.ndim != 4 or items.shape[1:] != self.facts.shape or not len(items):
            got = "x".join(map(str, items.shape)) or "a single number"
            raise ValueError(
                f"items of {self.facts.dataset}: got an array of {got}; accepts n x {shape} (items, channels, height, "
                "width), one item or more"
            )
        if items.dtype != wanted and not np.can_cast(items.dtype, wanted, "safe"):
            raise ValueError(
                f"items of {self.facts.dataset}: got {items.dtype}, accepts {wanted}, as the data set has them before "
                "any scaling; convert them with .astype"
            )
        return np.require(items, wanted, requirements=["C", "W", "A"])


def _load_pyfunc(data_path: str) -> Served:
    """MLflow's way in."""
    from trainer import device

    return Served(Path(data_path), device.choose("auto"))
