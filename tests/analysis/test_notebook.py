"""A study in a notebook: the same numbers, words and figures as its report's."""

from __future__ import annotations

import json
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

import analysis
from analysis.errors import NotInReport, SourceError
from analysis.notebook import Comparison
from analysis.report.findings import gather
from analysis.runs import simulated


@pytest.fixture(scope="module")
def study() -> Comparison:
    return Comparison(gather(simulated.study(seed=3, activations=("relu", "dsrelu", "lelu"), effects={"lelu": 0.03})))


def test_verdicts_answer_figures_and_tables_are_the_reports(study: Comparison, tmp_path: Path) -> None:
    page = study.report(tmp_path)
    numbers = json.loads((tmp_path / "numbers.json").read_text(encoding="utf-8"))
    assert page.is_file()
    said = {row["activation"]: (row["verdict"], row["difference"]) for row in numbers["tables"]["table-1-verdicts"]}
    found = study.verdicts()
    assert {row["activation"]: (row["word"], row["estimate"]) for _, row in found.iterrows()} == said
    for sentence in study.answer.split(". "):
        assert sentence in (tmp_path / "report.md").read_text(encoding="utf-8")
    assert {path.stem for path in (tmp_path / "figures").glob("*.svg")} == {study.figure(n).name for n in study.figures}
    for path in (tmp_path / "tables").glob("*.csv"):
        assert len(pd.read_csv(path)) == len(study.table(path.stem))
    data = pd.read_csv(tmp_path / "figures" / f"{study.figure('differences').name}.csv")
    pd.testing.assert_frame_equal(data, study.figure("differences").data.reset_index(drop=True), check_dtype=False)


def test_a_figure_is_found_by_its_short_name_and_by_its_files(study: Comparison) -> None:
    for name in study.figures:
        assert study.figure(study.figure(name).name) is study.figure(name)
    assert study.figure("differences").name == "figure-1-answer"


def test_a_name_that_is_not_there_names_those_that_are(study: Comparison) -> None:
    with pytest.raises(NotInReport, match="did you mean differences"):
        study.figure("diferences")
    with pytest.raises(NotInReport, match="table 'nothing': this study has verdicts"):
        study.table("nothing")


def test_the_notebooks_page_shows_answer_verdicts_and_figure_and_is_well_formed(study: Comparison) -> None:
    class Tags(HTMLParser):
        opened: list[str] = []  # noqa: RUF012
        seen: set[str] = set()  # noqa: RUF012

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.seen.add(tag)
            if tag != "img":
                self.opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.opened.pop() == tag

    page = study._repr_html_()
    tags = Tags()
    tags.feed(page)
    assert not tags.opened
    assert {"table", "img", "p"} <= tags.seen
    assert "lelu" in page
    assert str(study.verdicts()["word"].iloc[0]) in page
    assert "data:image/svg+xml;base64," in page
    table = study.tabled("verdicts")
    assert table is not None
    difference = table.texts()[0][table.names.index("difference")]
    assert f'<td style="text-align: right">{difference}</td>' in page


def test_curves_say_whose_they_are(study: Comparison) -> None:
    assert {"activation", "repeat", "fold", "epoch", "validation/accuracy"} <= set(study.curves.columns)
    assert set(study.curves["activation"]) == {"relu", "dsrelu", "lelu"}


def test_what_is_no_study_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no mlflow\.db"):
        analysis.open(tmp_path)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mlflow.db").touch()
    with pytest.raises(
        SourceError, match=f"it holds some; name those that are meant: {tmp_path / 'a'} {tmp_path / 'b'}"
    ):
        analysis.open(tmp_path)
    with pytest.raises(SourceError, match=r"give several as open\(\"runs/a\", \"runs/b\"\)"):
        analysis.open(["runs/a", "runs/b"])  # type: ignore[arg-type]
    with pytest.raises(SourceError, match="got nothing"):
        analysis.open()


def test_importing_the_package_loads_no_pandas_until_something_is_opened() -> None:
    words = "import sys, analysis; assert 'pandas' not in sys.modules; analysis.open; assert 'pandas' in sys.modules"
    subprocess.run([sys.executable, "-c", words], check=True, timeout=120)
