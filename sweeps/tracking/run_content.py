"""What the runs of a study, a trial and a fold say in MLflow. Pure: values in, values out."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from analysis.runs import schema
from analysis.runs.plan import Plan
from sweeps.folder.decided import Decided
from sweeps.folder.journals import means
from sweeps.folder.records import TrialStatus
from sweeps.tracking.fold_outcome import final_points
from sweeps.tracking.run_inputs import of_fold
from sweeps.tracking.run_values import (
    LOGGED,
    MAX_TAG,
    NOTE,
    FoldResult,
    FoldRun,
    Point,
    Run,
    Trial,
    metric_key,
    milliseconds,
    value_text,
)
from sweeps.wording import counted
from trainer.codec import identity
from trainer.journal import End, FoldHistory
from trainer.spec import FoldSpec
from trainer.tasks.description import RULE_PREFIX
from trainer.tasks.metric import LOSS


def config_digest(spec: FoldSpec) -> str:
    """Digest of all but study, trial, activation, repeat and fold: equal where only these differ."""
    raw = json.loads(identity(spec))
    for name in ("study", "trial", "activation", "repeat", "fold"):
        del raw[name]
    return hashlib.sha256(json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()).hexdigest()[:16]


def param_texts(params: Mapping[str, Any], training: Mapping[str, Any], degrees: Mapping[str, float]) -> dict[str, str]:
    """``degrees`` stand beside their tangents, as ``activation.<parameter>_degrees``."""
    angles = {f"{name}_degrees": angle for name, angle in degrees.items()}
    told = {name: part_words(value) for name, value in training.items()}
    pairs = [(schema.ACTIVATION_PARAM, {**params, **angles}), (schema.TRAINING_PARAM, told)]
    return {metric_key(prefix + name): value_text(value) for prefix, group in pairs for name, value in group.items()}


def part_words(value: Any) -> Any:
    """A schedule or augmentations in words, as ``cosine(floor=0.0, warmup=5.0)``; anything else as it is."""
    if isinstance(value, Mapping) and "name" in value:
        inside = ", ".join(f"{key}={content}" for key, content in value["options"].items())
        return f"{value['name']}({inside})" if inside else value["name"]
    if isinstance(value, list | tuple):
        return ", ".join(str(part_words(item)) for item in value) or "none"
    return value


def common_tags(plan: Plan, kind: str, key: str, origin: Mapping[str, str]) -> dict[str, str]:
    """``origin``: where the study was started from, as tags."""
    return {
        **origin,
        schema.SCHEMA_TAG: str(schema.SCHEMA),
        schema.KIND: kind,
        schema.KEY: key,
        schema.STUDY: plan.study,
        schema.STUDY_DIGEST: plan.first_digest,
        schema.SWEEP: plan.sweep,
        schema.STUDY_SEED: str(plan.study_seed),
        schema.DATASET: plan.dataset,
        schema.MODEL: plan.model,
    }


def compared(plan: Plan) -> frozenset[str]:
    """Metrics of the task whose curves a person compares: the loss, the declared one, and those that the checkpoint
    rule and the search look at."""
    looked_at = (plan.declaration.rule.removeprefix(RULE_PREFIX), plan.search_selects_on, *plan.search_objectives)
    names = {LOSS, plan.declaration.metric, *(name.rsplit("/", 1)[-1] for name in looked_at)}
    return frozenset(names & {metric.name for metric in plan.metrics})


def study_run(plan: Plan, start_ms: int, origin: Mapping[str, str]) -> Run:
    tags = common_tags(plan, "study", plan.study, origin)
    tags[NOTE] = value_text("\n\n".join(line for line in (plan.declaration.question, *claims(plan)) if line), MAX_TAG)
    return Run(key=plan.study, name=plan.study, start_ms=start_ms, tags=tags, params=_study_params(plan))


def claims(plan: Plan) -> list[str]:
    """What is compared and how claims are made, a sentence or two each; and how the study has grown."""
    declared = plan.declaration
    return [
        f"Activations: {', '.join(plan.activations)}. Control: {declared.control}.",
        f"Claims rest on the {plan.claims_phase} phase: {declared.metric} on the held-out part of "
        f"{_repeats(plan)} x {counted(plan.folds, 'fold')}, model by rule {declared.rule}.",
        *(f"Declared on {declared.declared_at}; {extension.words()}." for extension in plan.history),
    ]


def _study_params(plan: Plan) -> dict[str, str]:
    """What holds for all of a study's runs, and never grows."""
    declared = plan.declaration
    told = {
        "task": plan.task,
        "data": plan.dataset,
        "model": plan.model,
        "folds": plan.folds,
        "splits": plan.splits,
        "checkpoint_rule": declared.rule,
        "metric": declared.metric,
        "control": declared.control,
        "alpha": declared.alpha,
        "rope": declared.rope,
        "search_selects_on": plan.search_selects_on if plan.search_varies else "",
        "seed": plan.study_seed,
    }
    return {name: value_text(value) for name, value in told.items() if value not in ("", None)}


def _repeats(plan: Plan) -> str:
    rule = plan.until_decided
    return str(len(plan.repeats)) if rule is None else f"{rule.looks[0]} to {rule.looks[-1]} (until decided)"


def trial_run(
    plan: Plan,
    trial: Trial,
    start_ms: int,
    results: Sequence[FoldResult | None],
    origin: Mapping[str, str],
    decided: Decided | None = None,
) -> Run:
    """The trial's run; ``results`` has one entry per planned fold, None for one that has not ended. It ends once the
    driver has decided how it ended."""
    key = f"{plan.study}/{trial.trial}"
    tags = common_tags(plan, "trial", key, origin) | _trial_tags(trial)
    params = param_texts(trial.params, {**trial.training, **trial.trained_with}, trial.degrees)
    ended = [result for result in results if result is not None]
    if len(ended) < len(results) or not ended or decided is None:
        tags[schema.STATUS] = schema.Status.RUNNING.value
        return Run(key=key, name=trial.name, start_ms=start_ms, tags=tags, params=params)
    status = decided.status.value
    tags |= {schema.STATUS: status, **choice_tags(decided)}
    if decided.status is not TrialStatus.FINISHED:
        count = sum(result.status == status for result in ended)
        tags[schema.REASON] = f"{count} of {counted(len(ended), 'fold')} {status}"
    end_ms = max(result.end_ms for result in ended)
    final = tuple(Point(metric_key(name), value, end_ms, 0) for name, value in _summary(plan, ended).items())
    return Run(
        key=key,
        name=trial.name,
        start_ms=start_ms,
        tags=tags,
        params=params,
        status=status,
        end_ms=end_ms,
        final=final,
    )


def later_tags(decided: Decided | None, verdict: str) -> dict[str, str]:
    """Of a trial, what may be said after its end: what its search made of it, and what a report calls it."""
    return choice_tags(decided) | ({schema.VERDICT: value_text(verdict, MAX_TAG)} if verdict else {})


def choice_tags(decided: Decided | None) -> dict[str, str]:
    """Of a trial that won its search, was trained for an earlier winner, or lost the race of its settings."""
    if decided is None:
        return {}
    lost = {schema.DROPPED: value_text(decided.dropped, MAX_TAG)} if decided.dropped else {}
    if decided.earlier:
        return lost | {schema.EARLIER: "true"}
    if decided.chosen is None:
        return lost
    value = math.nan if decided.chosen.value is None else decided.chosen.value
    return lost | {
        schema.SELECTED: "true",
        schema.SELECTED_VALUE: repr(value),
        schema.SELECTED_AMONG: str(decided.chosen.among),
    }


def _summary(plan: Plan, results: Sequence[FoldResult]) -> dict[str, float]:
    """Mean and standard deviation (n - 1) over the folds, of the metrics that every fold has: a mean over the surviving
    folds would flatter a trial that diverges. The held-out part's are in front, and what the search looked at."""
    summary: dict[str, float] = {}
    chosen_by = {plan.search_selects_on, *plan.search_objectives}
    for name, mean in means([result.metrics for result in results]).items():
        if name.startswith("train"):
            continue
        values = [result.metrics[name] for result in results]
        finite = all(map(math.isfinite, values))
        shown = "" if name.startswith("heldout/") or name in chosen_by else schema.DETAIL
        summary[shown + schema.MEAN_PREFIX + name] = mean if finite else math.nan
        if len(values) > 1:
            summary[shown + schema.SD_PREFIX + name] = statistics.stdev(values) if finite else math.nan
    times = [result.epoch_s for result in results if result.epoch_s is not None]
    return summary | ({schema.SECONDS_EPOCH: statistics.fmean(times)} if summary and len(times) == len(results) else {})


def _trial_tags(trial: Trial) -> dict[str, str]:
    return {
        schema.PHASE: trial.phase,
        schema.TRIAL: trial.trial,
        schema.ACTIVATION: trial.label,
        schema.ACTIVATION_NAME: trial.activation,
    }


def fold_run(
    plan: Plan,
    trial: Trial,
    spec: FoldSpec,
    history: FoldHistory | None,
    first_start_s: float,
    gave_up: tuple[float, str] | None,
    origin: Mapping[str, str],
    reused_from: str = "",
) -> FoldRun:
    """The fold's run. ``first_start_s`` is when its first attempt began; ``gave_up`` the time and the reason why the
    driver stopped trying, for a fold without an end; ``reused_from`` the key of the run that it was taken from."""
    key = f"{plan.study}/{trial.trial}/{spec.repeat}-{spec.fold}"
    tags = common_tags(plan, "fold", key, origin) | _trial_tags(trial)
    tags |= {
        schema.REPEAT: str(spec.repeat),
        schema.FOLD: str(spec.fold),
        schema.DIGEST: spec.digest,
        schema.CONFIG_DIGEST: config_digest(spec),
        schema.RULE: spec.training.checkpoint_rule,
        schema.STATUS: schema.Status.RUNNING.value,
    }
    if history is not None:
        tags |= _start_tags(history) | ({schema.REUSED_FROM: reused_from} if reused_from else {})
    end = history.end if history is not None else None
    status, end_ms = schema.Status.RUNNING.value, 0
    final: tuple[Point, ...] = ()
    if end is not None:
        assert history is not None
        status, end_ms, final = end.status.value, milliseconds(end.time), final_points(history)
        tags |= {schema.REASON: value_text(end.reason, MAX_TAG), schema.EPOCHS: str(end.epochs)}
    elif gave_up is not None:
        status, end_ms = schema.Status.INFRA_FAILED.value, milliseconds(gave_up[0])
        tags[schema.REASON] = value_text(gave_up[1], MAX_TAG)
        tags[schema.EPOCHS] = str(len(history.epochs) if history is not None else 0)
    tags[schema.STATUS] = status
    run = FoldRun(
        key=key,
        # What tells a trial's folds apart comes first: the UI's list cuts long names at their end.
        name=f"r{spec.repeat} f{spec.fold} · {trial.name}",
        start_ms=milliseconds(first_start_s),
        tags=tags,
        params=param_texts(spec.activation.params, dataclasses.asdict(spec.training), trial.degrees),
        status=status,
        end_ms=end_ms,
        final=final,
        epochs=history.epochs if history is not None else (),
        attempts=history.attempts if history is not None else 0,
        inputs=of_fold(plan, spec, history.start) if history is not None else (),
        compared=compared(plan),
    )
    return dataclasses.replace(run, tags={**tags, LOGGED: run.mark().text()}) if end_ms else run


def _start_tags(history: FoldHistory) -> dict[str, str]:
    start = history.start
    tags = {
        schema.ATTEMPTS: str(history.attempts),
        schema.SPLIT_HASH: start.split_hash,
        schema.DATA_DIGEST: start.data_digest,
        schema.N_TRAIN: str(start.n_train),
        schema.N_VALIDATION: str(start.n_validation),
        schema.N_HELDOUT: str(start.n_heldout),
        schema.DEVICE: start.device,
        schema.DEVICE_NAME: start.device_name,
        schema.SLOTS: str(start.device_kind.slots),
        schema.THREADS: str(start.device_kind.threads),
        schema.HOST: start.host,
    }
    if (alike := history.timed_from) > 1:
        tags[schema.TIMED_FROM] = str(alike)
    if start.n_heldout_searched is not None:
        tags[schema.N_HELDOUT_SEARCHED] = str(start.n_heldout_searched)
    for name, reference in start.references.items():
        tags[metric_key(schema.REFERENCE_PREFIX + name)] = repr(reference)
    for predictor, scores in start.floors.items():
        for name, score in scores.items():
            named = f"{schema.FLOOR_PREFIX}{name}.{predictor}"
            # Where MLflow takes no such name, the words come after the number.
            tags[metric_key(named)] = repr(score) if metric_key(named) == named else f"{score!r} {predictor}"
    if start.case:
        tags[schema.CASE] = start.case
    if history.end is not None:
        tags |= _end_tags(history, history.end)
    if start.code:
        tags[schema.CODE] = start.code
    for name, value in start.environment.items():
        tags[metric_key(schema.ENVIRONMENT_PREFIX + name)] = value_text(value, MAX_TAG)
    if "pack_size" in start.environment:
        tags[schema.PACK_SIZE] = start.environment["pack_size"]
    return {name: value_text(value, MAX_TAG) for name, value in tags.items()}


def _end_tags(history: FoldHistory, end: End) -> dict[str, str]:
    """What is known of a fold when it has ended: how long each stage was, and what its task remarked."""
    stages = Counter(epoch.stage for epoch in history.epochs if epoch.stage)
    tags = {schema.STAGES: ", ".join(f"{name} {epochs}" for name, epochs in stages.items())} if stages else {}
    return tags | {metric_key(schema.REMARK_PREFIX + name): text for name, text in end.remarks.items()}
