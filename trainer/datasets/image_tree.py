"""Pictures in folders, as people have them: class folders, or class folders below train, val and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.datasets.walk import below
from trainer.errors import DataError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})
OTHER_PICTURES = frozenset(
    {".gif", ".heic", ".heif", ".avif", ".jfif", ".jpe", ".jp2", ".svg", ".dng", ".cr2", ".nef", ".dcm", ".nii", ".npy"}
)
"""Of files that may well be pictures and are not read; those that are there are told of."""
TRAIN, VALIDATION, TEST = "train", "validation", "test"
ROLES = {
    **dict.fromkeys(("train", "training"), TRAIN),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TEST),
}
"""Name of a folder above class folders, in small letters -> which part it holds."""
TOLD = 10
"""So many of many are named in a message."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    paths: tuple[Path, ...]
    """Sorted."""
    remarks: tuple[str, ...]
    """What was there and is left alone."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """What a picture's folders say of it."""

    kind: str
    """Its class."""
    role: str = ""
    """Its part, where there are parts."""


def pictures_below(name: str, folder: Path) -> Pictures:
    """All pictures in the folders of ``folder``. Raises :class:`DataError` for none, for links that lead nowhere and
    for folders that cannot be walked."""
    try:
        found = below(folder)
    except DataError as error:
        raise DataError(f"data set {name}: {error}") from error
    # A link without a suffix may have been a class.
    lost = [path for path in found.dangling if path.suffix.lower() in SUFFIXES | {""}]
    if lost:
        told = some([f"{path} -> {path.readlink()}" for path in lost])
        raise DataError(
            f"data set {name}: {counted(len(lost), 'link')} to what is not there: {told}; restore it, or remove the "
            "links"
        )
    kinds = [path.suffix.lower() for path in found.files]
    pictures = [path for path, kind in zip(found.files, kinds, strict=True) if kind in SUFFIXES]
    paths = [path for path in pictures if path.parent != folder]
    if not paths:
        raise DataError(
            f"data set {name}: {folder} has no class folder with images ({', '.join(sorted(SUFFIXES))}); "
            "expected <class>/<image>"
        )
    remarks = []
    if loose := [path.name for path in pictures if path.parent == folder]:
        remarks.append(f"{counted(len(loose), 'image')} left out, in no class folder: {some(loose)}")
    stems = Counter(str(path).removesuffix(path.suffix) for path in paths)
    if twins := sum(number for number in stems.values() if number > 1):
        remarks.append(f"{twins} images differ in name from another in the suffix alone; are masks among them?")
    for kind, number in Counter(kind for kind in kinds if kind in OTHER_PICTURES).items():
        remarks.append(f"{counted(number, f'{kind} file')} left out, of a kind that is not read; save them as .png")
    return Pictures(paths=tuple(sorted(paths)), remarks=tuple(remarks))


def places(name: str, folder: Path, paths: Sequence[Path], layout: str) -> list[Place]:
    """Class and part of each picture. ``layout``: "classes" (the folders are classes), "parts" (train, val or test
    stand above them), or "auto", which tells them apart. Raises :class:`DataError` where that cannot be told."""
    inside = [path.relative_to(folder).parts for path in paths]
    top = sorted({parts[0] for parts in inside})
    if layout == "classes" or (layout == "auto" and not _looks_parted(top, inside)):
        return [Place(kind=parts[0]) for parts in inside]
    if wrong := _no_parts(top, inside):
        train = next((part for part in top if ROLES.get(part.lower()) == TRAIN), top[-1])
        raise DataError(
            f"data set {name}: {folder} has the folders {some(top)}: {wrong}; accepts train with val, test or both, "
            f"and class folders in each. To read one part alone, name it, as folder: {folder.name}/{train}; if these "
            "are the classes themselves, layout: classes"
        )
    found = [Place(kind=parts[1], role=ROLES[parts[0].lower()]) for parts in inside]
    taught = {place.kind for place in found if place.role == TRAIN}
    untaught = sorted({place.kind for place in found} - taught)
    if untaught:
        raise DataError(
            f"data set {name}: class {untaught[0]!r} is not in the training part of {folder}, but in another "
            f"({len(untaught)} such classes); give all parts the same class folders, or name one part as the folder"
        )
    return found


def _no_parts(top: Sequence[str], inside: Sequence[tuple[str, ...]]) -> str:
    """What keeps folders from being the parts of a split."""
    roles = {ROLES[name.lower()] for name in top if name.lower() in ROLES}
    strange = [name for name in top if name.lower() not in ROLES]
    direct = sorted({parts[0] for parts in inside if len(parts) == 2})
    if not roles:
        return "none is named train, val or test"
    if strange:
        return f"some are named as the parts of a split, {strange[0]} is not"
    if direct:
        return f"they are named as the parts of a split, but images lie directly in {direct[0]}, in no class folder"
    return "" if TRAIN in roles and len(roles) > 1 else "they are named as parts of a split, but one is missing"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def some(texts: Sequence[str]) -> str:
    """The first ten, and how many more there are."""
    more = len(texts) - TOLD
    return ", ".join(texts[:TOLD]) + (f" and {more} more" if more > 0 else "")


def _looks_parted(top: Sequence[str], inside: Sequence[tuple[str, ...]]) -> bool:
    """Whether folders named train, val or test stand for parts: not where one of them is a class among others, as
    "valid" beside "invalid"."""
    roles: Mapping[str, str] = {name: ROLES[name.lower()] for name in top if name.lower() in ROLES}
    if not roles:
        return False
    if TRAIN in roles.values() or len(roles) == len(top):
        return True
    deeper = {parts[1] for parts in inside if parts[0] in roles and len(parts) > 2}
    return bool(deeper & set(top))
