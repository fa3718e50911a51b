"""Public help for tests: training that only pretends, here; and, in modules of their own because they load torch,
suites that every part that is named by import path should pass (:mod:`trainer.testing.tasks`,
:mod:`trainer.testing.networks`)."""

from trainer.testing.pretended import (
    HELDOUT,
    VARIABLES,
    invented_end,
    invented_epoch,
    invented_start,
    pretend,
    rewrite,
    value,
)

__all__ = ["HELDOUT", "VARIABLES", "invented_end", "invented_epoch", "invented_start", "pretend", "rewrite", "value"]
