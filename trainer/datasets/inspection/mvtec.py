"""MVTec AD in its own layout, one product or all: ``<category>/{train/good, test/<kind>, ground_truth/<kind>}``.

Anybody's own pictures in that layout are read, too. With ``category: all`` the classes are ``<category>/<kind>``, so
that a task can make a case of each product.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from trainer.datasets.cache import Store
from trainer.datasets.content import Content
from trainer.datasets.file_reader import FileReader, Selection
from trainer.datasets.files import Files, missing, need_root
from trainer.datasets.image_tree import SUFFIXES
from trainer.datasets.inspection import defects
from trainer.datasets.inspection.defects import GOOD, OPTIONS, Picture
from trainer.datasets.options import Chosen, Option, describe, nearest
from trainer.datasets.reader import About
from trainer.datasets.walk import own
from trainer.errors import DataError

ALL = "all"
FULL = 15
"""Products of the whole data set."""
TRAIN, TEST, TRUTH = "train", "test", "ground_truth"
_SOURCE = "https://www.mvtec.com/company/research/datasets/mvtec-ad"
_FOLDERS = ("mvtec", "mvtec_anomaly_detection", "mvtec-ad", "mvtec_ad")
_OPTIONS = {
    "category": Option(
        default=ALL,
        meaning="one product by its name, or all: the classes are then <product>/<kind>, and the anomaly task has a "
        "case for each",
        kind=str,
        converts=True,
    ),
    "folder": Option(
        default="",
        meaning="the folder of the products, or of one product, below the data root or absolute; left out: "
        f"{', '.join(_FOLDERS)}, or mvtec-<category>",
        kind=str,
        converts=True,
    ),
    **OPTIONS,
}


@dataclass(frozen=True, kw_only=True)
class MVTec(FileReader):
    name: str
    about: About
    declared: Mapping[str, Option]

    def find(self, root: Path, chosen: Chosen) -> Files:
        folder, products = self._products(need_root(self.name, root), chosen)
        watched: list[Path] = []
        for product in products:
            for part in (TRAIN, TEST):
                if not (product / part / GOOD).is_dir():
                    expected = f"the folder of {part} images without a defect"
                    raise missing(self.name, product / part / GOOD, expected=expected, source=_SOURCE)
            strange = sorted(path.name for path in _folders(product / TRAIN) if path.name != GOOD)
            if strange:
                raise DataError(
                    f"data set {self.name}: {product / TRAIN} has the folders {', '.join(strange)} beside {GOOD}; "
                    f"accepts {GOOD} alone, since nothing with a defect may train: move them to {TEST}"
                )
            found = [*_images(product / TRAIN / GOOD), *_images(product / TEST / GOOD)]
            for kind in _folders(product / TEST):
                if kind.name != GOOD:
                    found += _images(kind)
            if len(_folders(product / TEST)) < 2:
                raise missing(
                    self.name, product / TEST, expected="a folder for each kind of defect beside good", source=_SOURCE
                )
            watched += found
            watched += [mask for path in found if (mask := self._mask(path)) is not None]
        return Files(folder=folder, watched=tuple(watched))

    def convert(self, files: Files, chosen: Chosen, store: Store) -> Content:
        several = chosen.text("category") == ALL and not _is_product(files.folder)
        pictures = [
            Picture(
                path=path,
                kind=f"{path.parents[2].name}/{path.parent.name}" if several else path.parent.name,
                mask=self._mask(path),
                test=path.parents[1].name == TEST,
            )
            for path in files.watched
            if path.parents[1].name != TRUTH
        ]
        products = len({path.path.parents[2] for path in pictures})
        return defects.converted(
            self.name,
            _SOURCE,
            files,
            pictures,
            chosen,
            store,
            note=f"{products} of {FULL} products" if several and products != FULL else "",
            remarks=tuple(_remarks(pictures)),
        )

    def scaling(self, chosen: Chosen) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return defects.scaling(chosen)

    def select(self, content: Content, chosen: Chosen) -> Selection:
        return defects.selected(self.name, content, chosen)

    def _products(self, root: Path, chosen: Chosen) -> tuple[Path, list[Path]]:
        """(the folder that is read, the products' folders)."""
        named, category = chosen.text("folder"), chosen.text("category")
        candidates = (named,) if named else (*_FOLDERS, f"mvtec-{category}", f"mvtec_{category}")
        there = [root / one for one in candidates if (root / one).is_dir()]
        for folder in there:
            if _is_product(folder) and category in (ALL, folder.name, *_suffixes(folder.name)):
                return folder, [folder]
            if category == ALL and (products := [path for path in _folders(folder) if _is_product(path)]):
                return folder, products
            if category != ALL and _is_product(folder / category):
                return folder / category, [folder / category]
        if not there:
            raise DataError(
                f"data set {self.name}: none of the folders {', '.join(candidates)} exists below {root}; expected "
                f"{self.about.needs}. Get it from {_SOURCE}"
            )
        known = [path.name for folder in there for path in _folders(folder) if _is_product(path)]
        hint = nearest(category, known) if known else "no folder in it has train/good"
        wanted = "no product" if category == ALL else f"no product {category!r}"
        raise DataError(f"data set {self.name}: {', '.join(map(str, there))} has {wanted}; {hint}")

    def _mask(self, path: Path) -> Path | None:
        """The mask of a picture with a defect; None of one without, and where the product has no masks at all."""
        product, kind = path.parents[2], path.parent.name
        if kind == GOOD or not (product / TRUTH).is_dir():
            return None
        for name in (f"{path.stem}_mask.png", f"{path.stem}.png"):
            if (mask := product / TRUTH / kind / name).is_file():
                return mask
        expected = f"the mask of {path}, or no folder {TRUTH} at all"
        raise missing(self.name, product / TRUTH / kind / f"{path.stem}_mask.png", expected=expected, source=_SOURCE)


def _remarks(pictures: list[Picture]) -> Iterator[str]:
    """How large a part of what is told apart the mean grey value is: see the floors of the anomaly task."""
    bare = sorted({p.path.parents[2].name for p in pictures if p.mask is None and not p.kind.endswith(GOOD)})
    if bare:
        yield f"no masks of {', '.join(bare)}: nothing is measured of single pixels there"
    if any(path.path.parents[2].name.endswith("screw") for path in pictures):
        yield (
            "screw: the test pictures without a defect are darker than all others, so that the mean grey value alone "
            "tells them apart; the anomaly task subtracts each picture's median unless it is told remove: none"
        )


def _is_product(folder: Path) -> bool:
    return (folder / TRAIN / GOOD).is_dir()


def _suffixes(name: str) -> tuple[str, ...]:
    """What a folder of one product may be called for: ``mvtec-screw``, ``mvtec_screw``."""
    return tuple(name.removeprefix(prefix) for prefix in ("mvtec-", "mvtec_") if name.startswith(prefix))


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and own(path.name)) if folder.is_dir() else []


def _images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and own(path.name))


mvtec = MVTec(
    name="mvtec",
    about=About(
        title="MVTec AD: products and textures, normal ones to learn from, others with defects and their masks",
        licence="CC BY-NC-SA 4.0: no commercial use",
        citation="Bergmann P, Fauser M, Sattlegger D, Steger C. MVTec AD. CVPR (2019); IJCV 129 (2021).",
        source=_SOURCE,
        needs="mvtec with a folder for each product, or mvtec-<product>; in each train/good, test/good, test/<kind> "
        "and, for what is measured of single pixels, ground_truth/<kind>/<name>_mask.png",
        options=describe(_OPTIONS),
        fixed=True,
    ),
    declared=_OPTIONS,
)
