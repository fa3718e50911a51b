"""Values of the leaves in words, for the command line."""

from __future__ import annotations

from collections.abc import Sequence

from slurm.dev.cluster import DevCluster, Status
from sweeps.wording import counted
from trainer.datasets.preparation import Preparation
from trainer.datasets.reader import About
from trainer.spec import Scalar


def describe_dataset(name: str, about: About) -> str:
    """Terms and options of a data set."""
    lines = [
        f"{name}: {about.title}",
        f"licence:  {about.licence}",
        f"cite:     {about.citation}",
        f"source:   {about.source}",
        f"needs:    {about.needs or 'nothing: it comes with a package'}",
        f"groups:   {', '.join(about.groups) or 'none'}",
        f"held-out: {'declares a part of its own (folds: {scheme: fixed})' if about.fixed else 'by folds'}",
        *(f"option    {key}: {meaning}" for key, meaning in about.options.items()),
    ]
    return "\n".join(lines)


def describe_preparation(done: Preparation) -> str:
    """Counts of a prepared data set."""
    summary = done.summary
    lines = [
        f"{summary.name}: {counted(summary.items, 'item')} of {'x'.join(map(str, summary.shape))} {summary.dtype}, "
        f"{summary.size_mb:.1f} MB, in {done.wall_s:.1f} s",
        "classes: " + ", ".join(f"{name} {count}" for name, count in summary.per_class.items())
        if summary.per_class
        else f"{counted(summary.targets, 'target')} an item",
    ]
    if summary.groups:
        lines.append("groups: " + ", ".join(f"{count} by {name}" for name, count in summary.groups.items()))
    if summary.heldout is not None:
        lines.append(f"held-out part of its own: {counted(summary.heldout, 'item')}")
    lines += summary.remarks
    lines += [f"digest: {summary.digest}", f"cache: {done.cache or 'none needed'}"]
    return "\n".join(lines)


def to_options(pairs: Sequence[str]) -> dict[str, Scalar]:
    """``KEY=VALUE`` texts, values as YAML scalars. Raises ValueError for a text without "="."""
    import yaml

    options: dict[str, Scalar] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise ValueError(f"--option {pair}: accepts KEY=VALUE, as --option lead=MLII")
        options[key] = yaml.safe_load(value)
    return options


def describe_cluster(cluster: DevCluster) -> str:
    """How to use a development cluster that was started."""
    exports = "\n".join(f"  export {name}={value}" for name, value in cluster.environment().items())
    return (
        f"Slurm runs with {counted(len(cluster.nodes), 'node')} of "
        f"{counted(cluster.shape.gpus_per_node, 'pretended GPU')}. In your shell:\n"
        f"{exports}\nthen: actsweep run smoke --cluster devcluster; end it with: actsweep cluster down"
    )


def describe_status(status: Status) -> str:
    """Daemons and nodes of a development cluster."""
    daemons = ", ".join(f"{name} {'runs' if up else 'DOWN'}" for name, up in status.daemons.items())
    nodes = ", ".join(f"{name} {word}" for name, word in status.nodes.items()) or "no answer from the controller"
    return f"daemons: {daemons}\nnodes: {nodes}\nexport SLURM_CONF={status.conf}"
