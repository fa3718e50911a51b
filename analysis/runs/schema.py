"""Names of the MLflow tags, params and metrics, and of the columns of the tidy frames. The reader owns them.

``sweeps.tracking`` writes runs with these names; ``analysis.runs.load`` reads them back. Metric names of a fold are
those of its journal: ``part/metric`` with the parts below and the metrics of the study's plan. What a person compares
has that name in MLflow; the rest has it behind :data:`DETAIL`, and the frames have it without.
"""

from __future__ import annotations

from enum import StrEnum

SCHEMA = 3
"""Version of what a run carries. Runs of version 1 had no reference scores and no search's choice; those of version 2
had all metrics side by side, and neither data sets nor sources."""

DETAIL = "detail/"
"""Beginning of the names of metrics that nobody compares: kept out of the UI's first view."""

# Parts of a fold's data.
PARTS = ("train", "train_clean", "validation", "heldout")
BESIDE = ("reference/", "floor/", "remark/")
"""Beginnings of columns that hold no scores of a model: ``reference/<metric>``, ``floor/<metric>/<predictor>``,
``remark/<metric>``."""
LOSS = "loss"  # what every task is trained on; not finite on a part that is trained or chosen by: diverged

# Per-epoch MLflow metrics beside part/metric (step = epoch, timestamp = the journal's).
SECONDS_TRAIN = "seconds/train"
SECONDS_EVALUATE = "seconds/evaluate"
SECONDS_REST = "seconds/rest"
PEAK_MEMORY_MB = "memory/peak_mb"
ENERGY_J = "energy/epoch_j"
LEARNING_RATE = "learning_rate"  # of the epoch, where a schedule moves it
ACTIVATION_PREFIX = "activation/"  # activation/<layer>/<parameter>
LEARNED_PREFIX = "learned/"  # learned/<parameter>/mean, /min, /max: over the layers, where there are more than a few
UTILISATION_PREFIX = "utilisation/"  # utilisation/gpu_percent ...
# Final metrics of a fold run (step = the epoch that the rule picked): the declared rule's under heldout/<metric>; of
# each rule, outcome.<rule>/epoch and outcome.<rule>/heldout/<metric>; of the declared one, its other parts, too.
OUTCOME_PREFIX = "outcome."
# Final metrics of a trial run: mean over its folds, under mean/<part>/<metric> and sd/<part>/<metric>.
MEAN_PREFIX = "mean/"
SD_PREFIX = "sd/"
SECONDS_EPOCH = "seconds/epoch"  # mean over the folds of each one's median epoch: training, evaluation and the rest
# Final metrics of the study run.
FOLDS_DONE = "folds/done"  # those that have ended, however they did
CONTROL_PREFIX = "control/"  # control/<name>: of the trial that the claims compare with

# Tags. Every run carries SCHEMA_TAG, KIND, KEY and STUDY; the rest where they apply.
PREFIX = "actsweep."
SCHEMA_TAG = PREFIX + "schema"
KIND = PREFIX + "kind"  # study | trial | fold
KEY = PREFIX + "key"  # <study>, <study>/<trial> or <study>/<trial>/<repeat>-<fold>: unique in the experiment
STUDY = PREFIX + "study"
STUDY_DIGEST = PREFIX + "study_digest"  # of the study as it was declared first, however it grew
SWEEP = PREFIX + "sweep"  # of the experiment and its runs: this run of the study, in whichever folder it lies
STUDY_SEED = PREFIX + "study_seed"
PHASE = PREFIX + "phase"  # search | confirm
TRIAL = PREFIX + "trial"
ACTIVATION = PREFIX + "activation"  # the label in the study, unique per compared activation
ACTIVATION_NAME = PREFIX + "activation_name"  # the catalogue's name or import path
DATASET = PREFIX + "dataset"
MODEL = PREFIX + "model"
REPEAT = PREFIX + "repeat"
FOLD = PREFIX + "fold"
DIGEST = PREFIX + "digest"  # the fold's digest
CONFIG_DIGEST = PREFIX + "config_digest"  # the digest of all but study, trial, activation, repeat and fold
SPLIT_HASH = PREFIX + "split_hash"
DATA_DIGEST = PREFIX + "data_digest"
STATUS = PREFIX + "status"  # a Status, but for imported
REASON = PREFIX + "reason"
RULE = PREFIX + "checkpoint_rule"
ATTEMPTS = PREFIX + "attempts"
EPOCHS = PREFIX + "epochs"
N_TRAIN = PREFIX + "n_train"
N_VALIDATION = PREFIX + "n_validation"
N_HELDOUT = PREFIX + "n_heldout"
N_HELDOUT_SEARCHED = PREFIX + "n_heldout_searched"  # held-out items that searches may use; none where not kept apart
REFERENCE_PREFIX = PREFIX + "reference."  # <metric>: what knowing nothing scores on the fold's held-out part
FLOOR_PREFIX = PREFIX + "floor."  # <metric>.<predictor>: what a trivial predictor scores on that part; behind it, after
# a blank, the predictor where no tag can be named by its words
CASE = PREFIX + "case"  # the task's case that the fold is, where folds are cases
STAGES = PREFIX + "stages"  # "<name> <epochs>, ...", where the fold trained in more than one stage
REMARK_PREFIX = PREFIX + "remark."  # <metric>: what a reader has to know of the outcome
REUSED_FROM = PREFIX + "reused_from"  # the key of the run that this one was taken from, trained nowhere else
DEVICE = PREFIX + "device"  # cpu | cuda
DEVICE_NAME = PREFIX + "device_name"
SLOTS = PREFIX + "slots"  # packs that share the device
THREADS = PREFIX + "threads"  # of the pack
TIMED_FROM = PREFIX + "timed_from"  # the first epoch on the device that the run names; earlier ones on another kind
HOST = PREFIX + "host"
PACK_SIZE = PREFIX + "pack_size"  # folds that shared the device at the time
CODE = PREFIX + "code"
COMMIT = PREFIX + "commit"
ENVIRONMENT_PREFIX = PREFIX + "env."

# Tags of a trial that a search chose: the driver's choice, which is read and never made again.
SELECTED = PREFIX + "selected"  # "true"
SELECTED_VALUE = PREFIX + "selected_value"  # its mean of the plan's search_selects_on
SELECTED_AMONG = PREFIX + "selected_among"  # settings that were tried
EARLIER = PREFIX + "earlier_winner"  # "true": confirms what its search chose before it went on and chose another
VERDICT = PREFIX + "verdict"  # of a trial that a report compared with the control: what it calls it, in a few words
DROPPED = PREFIX + "dropped"  # of a trial that lost the race of its search: why, by which rule, in words

# Params of trial and fold runs: activation.<parameter> and training.<field>; booleans as "true"/"false". The study's
# run says what holds for all: task, data, model, folds, checkpoint_rule, seed ...
ACTIVATION_PARAM = "activation."
DEGREES = "_degrees"  # activation.<parameter>_degrees: the angle whose tangent the parameter is; told, never searched
TRAINING_PARAM = "training."
# Artifacts of the study run.
STUDY_ARTIFACT = "study.yaml"  # as resolved
PLAN_ARTIFACT = "plan.json"  # analysis.runs.plan.Plan: what was planned and declared before the first run
BUDGET_ARTIFACT = "budget.json"  # analysis.runs.account.Account: what the study might cost, did cost, and lacked for it
ACCOUNTING_ARTIFACT = "accounting.json"  # analysis.runs.accounting.Accounting: what jobs cost by the site's accounts
ACCOUNTING_RUNS_ARTIFACT = "accounting.csv"  # its lines, one for each run of each job
REPORT_ARTIFACT = "report"


class Status(StrEnum):
    """What became of a fold's run. Frames hold the plain text."""

    FINISHED = "finished"
    STOPPED = "stopped"
    DIVERGED = "diverged"
    FAILED = "failed"
    INFRA_FAILED = "infra_failed"
    MISSING = "missing"
    RUNNING = "running"
    IMPORTED = "imported"


SCORED = (Status.FINISHED, Status.IMPORTED)
"""Statuses of a run that has a score as measured."""
UNFINISHED = (Status.MISSING, Status.RUNNING, Status.FAILED, Status.INFRA_FAILED, Status.STOPPED)
"""Statuses of a planned fold that has no result."""


def column(metric: str) -> str:
    """The frames' name of a metric in MLflow: as its journal has it."""
    return metric.removeprefix(DETAIL)
