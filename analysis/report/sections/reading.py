"""How the numbers of all sections are made, each sentence once."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.report.blocks import Listing, Section

TITLE = "How to read this"


def section(sections: Sequence[Section]) -> Section | None:
    """The methods of the sections that are there, in their order; None where none has any."""
    said = list(dict.fromkeys(sentence for one in sections for sentence in one.methods))
    return Section(anchor="reading", title=TITLE, blocks=[Listing(said)]) if said else None
