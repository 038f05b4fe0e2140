"""Pictures that several sets share, wherever they stand: COCO of 2014 and 2017, and names of pictures across sets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from vistune.data.bad_rows import BadRow, Reason

if TYPE_CHECKING:
    from vistune.data.example import ImageRef
    from vistune.data.files import Files

COCO_2014 = ("coco/train2014", "coco/val2014")
COCO_2017 = ("coco/train2017", "coco/val2017")


def first_image(files: Files, options: Iterable[tuple[str | None, str]]) -> Any:
    """The first picture (or video) that is there, a path or a member of an archive.

    Args:
        options: (folder relative to the data root or None for the set's own, name in it).

    Raises:
        BadRow: none is, told of the first; or a name leads out of the data root.
    """
    missing: BadRow | None = None
    for under, name in options:
        try:
            return files.image(name, under)
        except BadRow as error:
            if error.reason != Reason.MISSING_IMAGE:
                raise
            missing = missing or error
    raise missing or BadRow(Reason.MISSING_IMAGE, "the row names no picture.")


def coco_image(files: Files, image_id: Any, folder: str) -> ImageRef:
    """A COCO picture.

    The releases of 2014 and 2017 hold the same pictures under other names and parted in another way, so that a picture
    that is not in ``folder`` is looked for where the other release has it.

    Args:
        folder: "train2014", "val2014", "test2015", "train2017", "val2017" or "test2017".

    Raises:
        BadRow: it is in none of them, or the id is no number.
    """
    if isinstance(image_id, bool) or not isinstance(image_id, int):
        raise BadRow(Reason.MISSING_FIELD, f"the COCO id is {image_id!r}, expected a whole number.")
    # Ids are the same in both releases and in training and validation; those of the test pictures are apart.
    others = ("coco/test2015", "coco/test2017") if folder.startswith("test") else (*COCO_2014, *COCO_2017)
    places = dict.fromkeys((f"coco/{folder}", *others))
    found: ImageRef = first_image(files, ((place, coco_name(image_id, place)) for place in places))
    return found


def coco_name(image_id: int, folder: str) -> str:
    """File name of a COCO picture: COCO_val2014_000000000042.jpg, since 2017 000000000042.jpg."""
    part = folder.rpartition("/")[2]
    return f"{image_id:012d}.jpg" if part.endswith("2017") else f"COCO_{part}_{image_id:012d}.jpg"


def coco_id(name: str) -> int:
    """The id in a COCO file name of either form.

    Raises:
        BadRow: there is none.
    """
    digits = PurePosixPath(name).stem.rpartition("_")[2]
    if not digits.isascii() or not digits.isdigit():
        raise BadRow(Reason.MISSING_FIELD, f"the picture {name!r} has no COCO id in its name.")
    return int(digits)


def mixed_image(files: Files, path: str) -> ImageRef:
    """A picture by its path in the data root, as LLaVA's mixtures give it.

    COCO's pictures are found in either release, book covers with whatever suffix they were saved with.

    Raises:
        BadRow: it is not there, or the path leads out of the data root.
    """
    kind, _, name = path.partition("/")
    if kind == "coco":
        return coco_image(files, coco_id(name), name.partition("/")[0])
    if kind == "ocr_vqa":
        cover = PurePosixPath(path)
        return book_cover(files, cover.stem, cover.suffix)
    found: ImageRef = files.image(path, "")
    return found


def source_ids(name: str) -> tuple[str, ...]:
    """What a picture is called across sets, from the path that LLaVA's mixtures give it; () where that says nothing."""
    path = PurePosixPath(name)
    kind = path.parts[0] if len(path.parts) > 1 else ""
    if kind == "coco":
        return (f"coco:{coco_id(name)}",)
    if kind == "vg" or (kind == "gqa" and path.stem.isdigit()):
        return (f"vg:{path.stem}",)
    prefix = {"gqa": "gqa", "textvqa": "openimages", "ocr_vqa": "amazon"}.get(kind)
    return (f"{prefix}:{path.stem}",) if prefix else ()


def book_cover(files: Files, key: str, suffix: str) -> ImageRef:
    """A cover of OCR-VQA: with the suffix of where it came from, or saved as .jpg, in either set's folder.

    Raises:
        BadRow: it is not there.
    """
    names = dict.fromkeys(f"{key}{end}" for end in (suffix, ".jpg", ".png", ".gif"))
    found: ImageRef = first_image(
        files, ((under, name) for under in ("ocrvqa/images", "ocr_vqa/images") for name in names)
    )
    return found
