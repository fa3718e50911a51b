"""Activations: one file per family, with formula, paper and gradients.

One of your own needs nothing from here: any ``torch.nn.Module`` class, named by its import path (``mylab.act:MyAct``),
with its parameters as keyword arguments. It may take part in more:

- a constructor keyword ``channels`` is given the width of the layer before it (None if that is not known)
- ``t`` and ``progress`` make it follow training progress (:mod:`trainer.activations.progress`)
- its own parameters are journalled; a subclass of :class:`trainer.activations.constrained.Activation` may say which
  values of them, as :class:`trainer.activations.constrained.Constrained` ones do
"""
