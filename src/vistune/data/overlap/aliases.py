"""Names of pictures that mean the same picture: Visual Genome's are COCO's and Flickr's."""

from __future__ import annotations

from pathlib import Path

FILES = ("vg/image_data.json", "visual_genome/image_data.json", "gqa/image_data.json", "image_data.json")
"""Where Visual Genome's table of its pictures is looked for, below the data root."""


def load_aliases(data_root: Path | None) -> tuple[dict[str, str], Path | None]:
    """Name -> the name to use instead, COCO's where there is one; and the file it comes from, None without one.

    Half of Visual Genome's 108,077 pictures are from COCO (image_data.json: image_id, coco_id, flickr_id).

    Raises:
        DataError: the file is damaged.
    """
    from vistune.data.bad_rows import BadRow
    from vistune.data.readers import read_json_array

    path = next((data_root / name for name in FILES if (data_root / name).is_file()), None) if data_root else None
    aliases: dict[str, str] = {}
    if path is None:
        return aliases, None
    for place, record in read_json_array(path):
        if isinstance(record, BadRow):
            raise record.at(place)
        coco, flickr = record.get("coco_id"), record.get("flickr_id")
        best = f"coco:{coco}" if coco else f"flickr:{flickr}" if flickr else None
        if best is not None:
            aliases[f"vg:{record.get('image_id')}"] = best
            if coco and flickr:
                aliases[f"flickr:{flickr}"] = best
    return aliases, path
