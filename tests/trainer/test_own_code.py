"""Which modules are the user's own, and when they are said to differ."""

from __future__ import annotations

import dataclasses
import importlib.machinery
import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from trainer import code, entry, own_code
from trainer.codec import to_text
from trainer.errors import SpecError
from trainer.spec import ActivationSpec, FoldSpec, Pack

FILES = {
    "lab/__init__.py": "",
    "lab/act.py": "import math\nimport torch\nfrom torch import nn\nfrom lab import curves\nfrom . import knots as k\n"
    "def late():\n    from lab.deep.slope import value\n    return importlib.import_module('lab.named')\n"
    "class MyAct(nn.ReLU):\n    pass\n",
    "lab/curves.py": "import helper\n",
    "lab/knots.py": "from .curves import x\n",
    "lab/named.py": "",
    "lab/unrelated.py": "",
    "lab/deep/__init__.py": "",
    "lab/deep/slope.py": "from .. import knots\nfrom ..curves import y\nvalue = 1\n",
    "helper.py": "import sibling\nimport numpy\n",
    "sibling.py": "import helper\nfrom namespace.inner import thing\n",
    "namespace/inner.py": "",
    "alone.py": "",
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_what_a_module_imports_in_turn_of_the_same_project_is_own_and_nothing_else(project: Path) -> None:
    found = own_code.sources(["lab.act:MyAct", "relu", "torch.nn:GELU"])
    assert [source.module for source in found] == [
        "helper", "lab", "lab.act", "lab.curves", "lab.deep", "lab.deep.slope", "lab.knots", "lab.named",
        "namespace.inner", "sibling",
    ]  # fmt: skip
    assert {source.place for source in found} == set(FILES) - {"alone.py", "lab/unrelated.py"}
    assert own_code.sources(["relu", "digits", "torch.nn:Tanh", "trainer.activations.lelu:LELU"]) == []


def test_nothing_is_imported_to_find_out(project: Path) -> None:
    (project / "lab" / "__init__.py").write_text("raise SystemExit('imported')\n")
    assert own_code.codes(["lab.act:MyAct"])
    assert "lab" not in sys.modules


@pytest.mark.parametrize(
    "edited", ["lab/act.py", "lab/__init__.py", "sibling.py", "namespace/inner.py", "lab/named.py"]
)
def test_an_edit_anywhere_in_it_is_named(project: Path, edited: str) -> None:
    before = own_code.codes(["lab.act:MyAct"])
    assert own_code.differences(before, own_code.here(before)) == []
    (project / edited).write_text(FILES[edited] + "x = 2\n")
    module = edited.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    for found in (own_code.here(before), own_code.codes(["lab.act:MyAct"])):
        assert own_code.differences(before, found) == [f"{module} (changed)"]
        assert code.digest(found) != code.digest(before)


def test_a_module_that_is_gone_or_new_is_named(project: Path) -> None:
    before = own_code.codes(["lab.act:MyAct"])
    (project / "sibling.py").unlink()
    (project / "lab" / "curves.py").write_text("import helper, alone\n")
    assert own_code.differences(before, own_code.codes(["lab.act:MyAct"])) == [
        "alone (new)", "lab.curves (changed)", "namespace.inner (not found)", "sibling (not found)",
    ]  # fmt: skip


def test_what_does_not_matter_changes_nothing(project: Path) -> None:
    before = own_code.codes(["lab.act:MyAct"])
    (project / "alone.py").write_text("x = 2\n")
    (project / "lab" / "unrelated.py").write_text("x = 2\n")
    (project / "lab" / "act.py").touch()
    assert own_code.codes(["lab.act:MyAct"]) == before
    assert code.digest({}) == code.digest() == code.digest(own_code.codes(["relu"]))


def test_a_compiled_module_and_one_in_a_zip_take_part(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    (project / f"compiled{suffix}").write_bytes(b"\x7fELF 1")
    (project / "uses.py").write_text("import compiled, zipped\n")
    with zipfile.ZipFile(project / "more.zip", "w") as archive:
        archive.writestr("zipped.py", "x = 1\n")
    monkeypatch.syspath_prepend(str(project / "more.zip"))
    before = own_code.codes(["uses:x"])
    assert sorted(before) == ["compiled", "uses", "zipped"]
    (project / f"compiled{suffix}").write_bytes(b"\x7fELF 2")
    assert own_code.differences(before, own_code.codes(["uses:x"])) == ["compiled (changed)"]


def test_an_installed_package_is_known_by_what_pip_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site-packages"
    (site / "bought").mkdir(parents=True)
    (site / "bought" / "__init__.py").write_text("from bought import inner\n")
    (site / "bought" / "inner.py").write_text("")
    info = site / "bought-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bought\nVersion: 2.0\n")
    (info / "RECORD").write_text(
        "bought/__init__.py,sha256=aa,3\nbought/__pycache__/x.pyc,,\n../bin/bought,sha256=bb,9\n"
    )
    monkeypatch.syspath_prepend(str(site))
    before = own_code.codes(["bought.inner:Act"])
    assert list(before) == ["bought"]
    assert before["bought"].startswith("bought 2.0 ")
    assert own_code.here(before) == before
    (info / "RECORD").write_text(
        "bought/__init__.py,sha256=cc,3\nbought/__pycache__/x.pyc,,\n../bin/bought,sha256=bb,9\n"
    )
    assert own_code.differences(before, own_code.here(before)) == ["bought (changed)"]


def test_an_editable_install_is_own_whichever_way_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a line in a .pth file, or by a finder that maps names to places, as setuptools makes one."""
    (tmp_path / "work" / "src" / "mapped").mkdir(parents=True)
    (tmp_path / "work" / "src" / "mapped" / "__init__.py").write_text("from mapped import inner\n")
    (tmp_path / "work" / "src" / "mapped" / "inner.py").write_text("")

    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> object:
            if name != "mapped":
                return None
            return importlib.machinery.PathFinder.find_spec(name, [str(tmp_path / "work" / "src")])

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert sorted(own_code.codes(["mapped.inner:Act"])) == ["mapped", "mapped.inner"]
    assert [source.place for source in own_code.sources(["mapped:Act"])] == ["mapped/__init__.py", "mapped/inner.py"]


def test_what_is_worked_on_here_may_be_installed_on_a_node(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = own_code.codes(["alone:x"])
    site = project / "site-packages"
    site.mkdir()
    (site / "alone.py").write_text(FILES["alone.py"])
    (project / "alone.py").unlink()
    monkeypatch.syspath_prepend(str(site))
    assert own_code.here(before) == before


@pytest.fixture
def own_pack(project: Path, small: Callable[..., FoldSpec], packed: Callable[..., Pack]) -> Callable[..., Pack]:
    """A pack as a driver plans it, of a fold that uses ``plain.act:MyAct``."""
    (project / "plain").mkdir()
    (project / "plain" / "act.py").write_text("from torch import nn\nclass MyAct(nn.ReLU):\n    pass\n")

    def make(**changes: object) -> Pack:
        own = own_code.codes(["plain.act:MyAct"])
        spec = small(epochs=1, activation=ActivationSpec(name="plain.act:MyAct"))
        return dataclasses.replace(packed(spec, own=own, code=code.digest(own)), **changes)

    return make


def test_a_job_that_waited_while_its_code_was_edited_is_refused(own_pack: Callable[..., Pack], project: Path) -> None:
    pack = own_pack()
    (project / "plain" / "act.py").write_text("from torch import nn\nclass MyAct(nn.Tanh):\n    pass\n")
    with pytest.raises(SpecError) as caught:
        entry.run(to_text(pack))
    assert str(caught.value) == (
        "your code here is not what the study was started with: plain.act (changed); restore it on the nodes, or set "
        "on_drift: warn"
    )
    assert not Path(pack.launches[0].folder).exists()


def test_where_it_only_warns_the_journal_says_which_code_it_was(own_pack: Callable[..., Pack], project: Path) -> None:
    pack = own_pack(on_drift="warn")
    (project / "plain" / "act.py").write_text("from torch import nn\nclass MyAct(nn.Tanh):\n    pass\n")
    entry.run(to_text(pack))
    line = (Path(pack.launches[0].folder) / "attempt-1" / "metrics.jsonl").read_text().splitlines()[0]
    assert json.loads(line)["code"] == code.digest(own_code.codes(["plain.act:MyAct"])) != pack.code


def test_a_frozen_copy_comes_first(
    own_pack: Callable[..., Pack], project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    (copy / "plain").mkdir(parents=True)
    (copy / "plain" / "act.py").write_bytes((project / "plain" / "act.py").read_bytes())
    pack = own_pack(own_folder=str(copy))
    (project / "plain" / "act.py").write_text("raise SystemExit('the edited one')\n")
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert json.loads(entry.run(to_text(pack)))["folds"] == {"relu-0/fold-0-0": "finished"}
