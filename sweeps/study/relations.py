"""Relations between the parameters of one activation, as ``a > b`` or ``2 * b <= a - 0.1``: read safely, and checked.

A relation is a comparison (or a chain of them) of expressions of names, numbers, ``+ - * /`` and brackets. A bare name
is a parameter of the activation, ``training.lr`` a field of its training. It is about the values that the activation
gets: of an angle, the slope. Pure; nothing is evaluated but what is listed here.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from trainer.spec import Scalar

ACTIVATION, TRAINING = "activation.", "training."
ACCEPTS = "accepts one comparison of names, numbers, + - * / and brackets, as a > b or 2 * b <= a - 0.1"
_ARITHMETIC: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_SIGNS: dict[type[ast.unaryop], Callable[[float], float]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}
_COMPARISONS: dict[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
MOST = 200
"""Characters of a relation."""


class RelationError(ValueError):
    """A text that is no relation; says what is accepted."""


@dataclass(frozen=True)
class Relation:
    text: str
    names: tuple[str, ...] = field(compare=False)
    """What it speaks of, as flat keys: ``activation.a``, ``training.lr``."""
    _tree: ast.Compare = field(compare=False, repr=False)

    def holds(self, values: Mapping[str, Scalar]) -> bool:
        """Whether it is true of these values (by flat key, numbers where it names them); a division by 0 is not."""
        try:
            ends = [_value(node, values) for node in (self._tree.left, *self._tree.comparators)]
        except (ZeroDivisionError, OverflowError):
            return False
        pairs = zip(self._tree.ops, ends, ends[1:], strict=False)
        return all(_COMPARISONS[type(compare)](left, right) for compare, left, right in pairs)


def parse(text: str) -> Relation:
    """Raises :class:`RelationError`."""
    if len(text) > MOST:
        raise RelationError(f"accepts at most {MOST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RelationError(ACCEPTS) from error
    if isinstance(tree, ast.BoolOp):
        raise RelationError("accepts one comparison an entry; write the others as entries of their own")
    if not isinstance(tree, ast.Compare):
        raise RelationError(ACCEPTS)
    if unknown := [compare for compare in tree.ops if type(compare) not in _COMPARISONS]:
        raise RelationError(f"accepts > >= < <= == !=, not {type(unknown[0]).__name__.lower()}")
    names: dict[str, None] = {}
    for node in (tree.left, *tree.comparators):
        _check(node, names)
    if not names:
        raise RelationError("accepts a comparison that names a parameter at least; this one is of numbers alone")
    return Relation(text.strip(), tuple(names), tree)


def _check(node: ast.expr, names: dict[str, None]) -> None:
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        _check(node.left, names)
        _check(node.right, names)
    elif isinstance(node, ast.UnaryOp) and type(node.op) in _SIGNS:
        _check(node.operand, names)
    elif (key := _key(node)) is not None:
        names[key] = None
    elif not (isinstance(node, ast.Constant) and type(node.value) in (int, float)):
        raise RelationError(f"{ACCEPTS}; not {ast.unparse(node)}")


def _key(node: ast.expr) -> str | None:
    """The flat key that a name means; None for what is none."""
    if isinstance(node, ast.Name):
        return ACTIVATION + node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id + "." == TRAINING:
        return TRAINING + node.attr
    return None


def _value(node: ast.expr, values: Mapping[str, Scalar]) -> float:
    if isinstance(node, ast.BinOp):
        return _ARITHMETIC[type(node.op)](_value(node.left, values), _value(node.right, values))
    if isinstance(node, ast.UnaryOp):
        return _SIGNS[type(node.op)](_value(node.operand, values))
    found = values[key] if (key := _key(node)) is not None else ast.literal_eval(node)
    assert isinstance(found, int | float), f"{ast.unparse(node)} is no number"
    return float(found)
