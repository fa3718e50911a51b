"""Puts an activation into the places of a network's own, and says what was replaced and what was left.

Its own are all that :data:`trainer.models.kinds.ACTIVATIONS` lists, as modules and as calls. A network that asks for
``activation`` and puts it in by itself has decided where it belongs: of it, only the ReLUs are replaced, and the rest
is told. Gates stay everywhere. What may be either has to be named by the study.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from torch import nn

from trainer.models import kinds
from trainer.models.call_sites import Redirected, redirect
from trainer.models.placement import Placing
from trainer.models.trial import Applied, Features, Seen, features, watch
from trainer.spec import Scalar

KEEP, REPLACE = "keep", "replace"
"""Options of every model: names of kinds that stay, and of more kinds that are replaced."""
OWN = "its own"
"""The kind of places that a network makes by itself."""


@dataclass(frozen=True, kw_only=True)
class Use:
    """One kind of non-linear function in a network."""

    kind: str
    places: int
    applications: int | None
    """In one pass; None where the network could not be tried."""

    def words(self) -> str:
        """As "17 places, 33 applications of relu"."""
        times = "" if self.applications is None else f", {_counted(self.applications, 'application')}"
        return f"{_counted(self.places, 'place')}{times} of {self.kind}"


@dataclass(frozen=True, kw_only=True)
class Uses:
    """What became of the non-linear functions of a network."""

    replaced: tuple[Use, ...]
    left: tuple[Use, ...]

    def words(self) -> str:
        """As "replaced: 14 places, 14 applications of relu; left: 9 places, 9 applications of hardsigmoid"."""
        parts = (("replaced", self.replaced), ("left as it is", self.left))
        return "; ".join(f"{what}: {', '.join(use.words() for use in uses)}" for what, uses in parts if uses)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a study says of a network's own functions."""

    keep: frozenset[str]
    replace: frozenset[str]
    decides: bool
    """Whether the network puts its activations in by itself."""

    @classmethod
    def of(cls, model: str, keep: Scalar, replace: Scalar, *, decides: bool) -> Wish:
        """Raises ValueError for what names no kinds."""
        kept, more = kinds.named(model, KEEP, keep), kinds.named(model, REPLACE, replace)
        if both := kept & more:
            raise ValueError(f"{model}: {kinds.in_words(both)} is to be kept and replaced; name it in one of them")
        return cls(keep=kept, replace=more, decides=decides)

    @property
    def wanted(self) -> frozenset[str]:
        """Kinds that are replaced."""
        own = {"relu"} if self.decides else set(kinds.ACTIVATIONS)
        return frozenset((own | self.replace) - self.keep)


def replace(model: nn.Module, placing: Placing, wish: Wish, seen: Seen | None, name: str) -> Uses:
    """Replaces what ``wish`` wants in ``model``, of which a trial has ``seen`` what it applies (None: it could not be
    tried, and then modules alone are found). Raises ValueError for what the network does not have, and for what is
    neither replaced, kept nor a gate."""
    own = {path: module for path, module in model.named_modules() if placing.made(module)}
    found = seen if seen is not None else _registered(model, own.values())
    _refuse_absent(found, wish, name)
    replaced = _modules(model, placing, wish.wanted, found, own.values())
    _calls(model, placing, wish.wanted, found, name)
    uses = Uses(
        replaced=(*_own_uses(own, seen), *_uses(found, seen, wish.wanted, replaced)),
        left=tuple(_uses(found, seen, frozenset(kinds.ALL) - wish.wanted, {})),
    )
    _refuse_unsaid(uses, wish, name)
    return uses


def check(model: nn.Module, placing: Placing, wish: Wish, seen: Seen, input_shape: Sequence[int], name: str) -> None:
    """Runs a network of which calls were replaced once more. Raises ValueError where one of them still gets through,
    or where the new modules disturb it: one that runs all its children in turn."""
    places = frozenset(module for module in model.modules() if placing.made(module))
    expected = sum(item.applications for item in seen.applied if item.kind in wish.wanted)
    expected += sum(times for times, _ in seen.places.values())
    try:
        again = watch(model, input_shape, places)
    except Exception as error:
        raise _disturbed(name, f"it then fails ({type(error).__name__}: {error})") from error
    if through := {item.kind for item in again.applied if item.kind in wish.wanted}:
        raise _disturbed(name, f"{kinds.in_words(through)} is still applied")
    if (got := sum(times for times, _ in again.places.values())) != expected:
        raise _disturbed(name, f"{_counted(got, 'application')} then for {expected}")


def _disturbed(name: str, what: str) -> ValueError:
    return ValueError(
        f"model {name!r}: its calls of an activation as a function cannot be replaced: {what}; write nn.ReLU() as a "
        "module at each of them"
    )


def _registered(model: nn.Module, own: Iterable[nn.Module]) -> Seen:
    """What can be said without a pass: the modules, with the features of the layer registered last before each."""
    seen, last, inside = Seen(), (None, 1), _inside(own)
    width: Features = last
    for path, module in model.named_modules():
        kind = kinds.of_module(module)
        if kind is not None and module not in inside:
            seen.applied.append(Applied(module=path, kind=kind, site=None, features=width))
        width = features(module) or width
    return seen


def _inside(modules: Iterable[nn.Module]) -> set[nn.Module]:
    return {child for module in modules for child in module.modules()}


def _modules(
    model: nn.Module, placing: Placing, wanted: frozenset[str], seen: Seen, own: Iterable[nn.Module]
) -> dict[str, int]:
    """Replaces modules, in the order of registration: one that stands in two places by one in both. Places by kind."""
    before: dict[str, Features] = {}
    for item in seen.applied:
        if item.site is None:
            before.setdefault(item.module, item.features)
    width: Features = (None, 1)
    count: dict[str, int] = {}
    done: dict[nn.Module, nn.Module] = {}
    inside = _inside(own)
    for path, module in list(model.named_modules(remove_duplicate=False)):
        kind = kinds.of_module(module)
        if kind not in wanted or module in inside:
            width = features(module) or width
            continue
        assert kind is not None
        if module not in done:
            done[module] = placing.place(*before.get(path, width))
            count[kind] = count.get(kind, 0) + 1
        parent, _, child = path.rpartition(".")
        holder = model.get_submodule(parent)
        setattr(holder, child, done[module])
        _no_fused_kernel(holder)
    return count


def _no_fused_kernel(owner: nn.Module) -> None:
    """torch's encoder layer remembers that it was given a ReLU or a GELU, and would go on to evaluate with it."""
    if isinstance(owner, nn.TransformerEncoderLayer):
        owner.activation_relu_or_gelu = 0


def _calls(model: nn.Module, placing: Placing, wanted: frozenset[str], seen: Seen, name: str) -> None:
    """Replaces calls: a module for each site, in the order in which a pass meets them."""
    by_owner: dict[str, list[Applied]] = {}
    for item in seen.applied:
        if item.site is not None and item.kind in wanted:
            by_owner.setdefault(item.module, []).append(item)
    for path, items in by_owner.items():
        owner = model.get_submodule(path)
        if isinstance(owner, nn.Sequential | nn.ModuleList | nn.ModuleDict):
            raise _disturbed(name, f"{path or 'it'} holds layers that run one after the other")
        sites = {}
        for item in items:
            child = _free(owner, f"functional_{item.kind}")
            owner.add_module(child, placing.place(*item.features))
            assert item.site is not None
            sites[item.site] = Redirected(child=child, in_place=item.in_place)
        redirect(owner, sites)
        _no_fused_kernel(owner)


def _free(owner: nn.Module, wish: str) -> str:
    number, name = 1, wish
    while hasattr(owner, name):
        number += 1
        name = f"{wish}_{number}"
    return name


def _own_uses(own: dict[str, nn.Module], seen: Seen | None) -> Iterator[Use]:
    if own:
        times = None if seen is None else sum(seen.places.get(path, (0, (None, 1)))[0] for path in own)
        yield Use(kind=OWN, places=len(own), applications=times)


def _uses(found: Seen, seen: Seen | None, wanted: frozenset[str], replaced: dict[str, int]) -> Iterator[Use]:
    for kind in kinds.ALL:
        items = [item for item in found.applied if item.kind == kind and kind in wanted]
        idle = replaced.get(kind, 0) - sum(item.site is None for item in items)  # registered and never applied
        if items or idle > 0:
            times = None if seen is None else sum(item.applications for item in items)
            yield Use(kind=kind, places=len(items) + max(idle, 0), applications=times)


def _refuse_absent(found: Seen, wish: Wish, name: str) -> None:
    there = {item.kind for item in found.applied}
    for option, names in ((KEEP, wish.keep), (REPLACE, wish.replace)):
        if absent := names - there:
            raise ValueError(
                f"model {name!r}: {option}: it applies no {kinds.in_words(absent)}; it has "
                f"{kinds.in_words(there) or 'no such function'}"
            )


def _refuse_unsaid(uses: Uses, wish: Wish, name: str) -> None:
    unsaid = [use for use in uses.left if use.kind in kinds.UNSAID and use.kind not in wish.keep]
    if unsaid and not wish.decides:
        names = ", ".join(use.kind for use in unsaid)
        raise ValueError(
            f"model {name!r}: {' and '.join(use.words() for use in unsaid)} would stay beside the study's activation: "
            f"say {KEEP}: '{names}' where that is meant, or {REPLACE}: '{names}'"
        )


def _counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
