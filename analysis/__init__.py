"""From a table of finished runs to the claims that it supports. In a notebook: :func:`analysis.open`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.notebook import Comparison as Comparison
    from analysis.notebook import open as open  # noqa: A004

__all__ = ["Comparison", "open"]


def __getattr__(name: str) -> Any:
    """Loads pandas and the statistics when they are first asked for: much of the product imports this package."""
    if name in __all__:
        from analysis import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
