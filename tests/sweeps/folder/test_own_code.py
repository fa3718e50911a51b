"""The user's own code in a study's folder: kept, compared, and refused or warned of where it has drifted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sweeps.errors import CodeDrift, StudyError
from sweeps.folder import own_code

NAMES = ["lab.act:MyAct", "alone:build"]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    (folder / "lab" / "tables").mkdir(parents=True)
    (folder / "lab" / "__pycache__").mkdir()
    for name, text in {
        "lab/__init__.py": "", "lab/act.py": "from lab import knots\n", "lab/knots.py": "", "lab/other.py": "",
        "lab/tables/knots.txt": "1 2 3", "lab/__pycache__/act.pyc": "", "alone.py": "", "lab/.hidden": "",
    }.items():  # fmt: skip
        (folder / name).write_text(text)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def kept(path: Path) -> list[str]:
    (digest,) = (path / "own_code").iterdir()
    return sorted(file.relative_to(digest).as_posix() for file in digest.rglob("*") if file.is_file())


def test_the_sources_are_kept_and_nothing_else(project: Path, tmp_path: Path) -> None:
    version = own_code.keep(tmp_path / "study", NAMES, frozen=False)
    assert version is not None
    assert kept(tmp_path / "study") == ["alone.py", "lab/__init__.py", "lab/act.py", "lab/knots.py"]
    assert own_code.versions(tmp_path / "study") == [version]
    assert own_code.folder_of(tmp_path / "study", version) is None


def test_a_frozen_copy_has_the_data_of_its_packages(project: Path, tmp_path: Path) -> None:
    version = own_code.keep(tmp_path / "study", NAMES, frozen=True)
    assert version is not None
    assert kept(tmp_path / "study") == [
        "alone.py", "lab/__init__.py", "lab/act.py", "lab/knots.py", "lab/other.py", "lab/tables/knots.txt",
    ]  # fmt: skip
    assert own_code.folder_of(tmp_path / "study", version) == str(tmp_path / "study" / "own_code" / version.digest)


def test_a_package_with_much_data_is_not_frozen(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_code, "MAX_FROZEN_MB", 0.000_001)
    with pytest.raises(
        StudyError, match=r"own_code: frozen: .*lab holds 0 MB, .*; move data out of the package, or use"
    ):
        own_code.keep(tmp_path / "study", NAMES, frozen=True)
    assert not (tmp_path / "study").exists()


def test_what_is_left_out_of_a_frozen_copy_does_not_count(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "lab" / ".git").mkdir()
    (project / "lab" / ".git" / "pack").write_bytes(bytes(4000))
    (project / "lab" / "dangling").symlink_to("nowhere")
    monkeypatch.setattr(own_code, "MAX_FROZEN_MB", 0.001)
    assert own_code.keep(tmp_path / "study", NAMES, frozen=True)


def test_a_study_without_own_code_has_none(tmp_path: Path) -> None:
    assert own_code.keep(tmp_path, ["torch.nn:Tanh"], frozen=False) is None
    assert own_code.current(tmp_path, [], frozen=True, warn=False) is None
    assert list(tmp_path.iterdir()) == []


def test_a_drift_is_refused_with_the_ways_out(project: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    version = own_code.keep(study, NAMES, frozen=False)
    assert own_code.current(study, NAMES, frozen=False, warn=False) == version
    (project / "lab" / "knots.py").write_text("x = 1\n")
    with pytest.raises(CodeDrift) as caught:
        own_code.current(study, NAMES, frozen=False, warn=False)
    assert version is not None
    assert str(caught.value) == (
        f"{study}: your code is not what the study was started with: lab.knots (changed). Under one name there would "
        f"be results of two functions. Restore it (what it was is in {study}/own_code/{version.digest}), or run the "
        "changed code as a study of its own (`actsweep run STUDY --folder OTHER`). Where no result that is there could "
        f"have come out otherwise, write on_drift: warn below cluster: in {study}/study.yaml and go on with `actsweep "
        f"resume {study}`: both versions are kept, and the report says that there are two"
    )
    (project / "lab" / "knots.py").write_text("")
    assert own_code.current(study, NAMES, frozen=False, warn=False) == version


def test_where_it_only_warns_both_versions_are_kept(project: Path, tmp_path: Path) -> None:
    first = own_code.keep(tmp_path / "study", NAMES, frozen=False)
    (project / "alone.py").write_text("x = 1\n")
    second = own_code.current(tmp_path / "study", NAMES, frozen=False, warn=True)
    assert own_code.versions(tmp_path / "study") == [first, second]
    assert own_code.current(tmp_path / "study", NAMES, frozen=False, warn=True) == second
    texts = own_code.texts(tmp_path / "study")
    assert sorted(text for name, text in texts.items() if name.endswith("/alone.py")) == ["", "x = 1\n"]
    assert len(json.loads(texts["own_code.json"])["versions"]) == 2


def test_a_frozen_copy_does_not_drift(project: Path, tmp_path: Path) -> None:
    version = own_code.keep(tmp_path / "study", NAMES, frozen=True)
    (project / "alone.py").write_text("x = 1\n")
    assert own_code.current(tmp_path / "study", NAMES, frozen=True, warn=False) == version


def test_a_study_of_an_earlier_version_begins_to_be_compared(project: Path, tmp_path: Path) -> None:
    assert (
        own_code.current(tmp_path / "study", NAMES, frozen=False, warn=False)
        == own_code.versions(tmp_path / "study")[0]
    )


def test_a_damaged_list_is_told(tmp_path: Path) -> None:
    (tmp_path / "own_code.json").write_text("{")
    with pytest.raises(StudyError, match=r"own_code\.json: cannot be read .*; restore it from a backup"):
        own_code.versions(tmp_path)
