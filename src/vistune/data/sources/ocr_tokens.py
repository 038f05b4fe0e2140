"""Words that an OCR system read in pictures, in files beside the annotations."""

from __future__ import annotations

from pathlib import Path

from vistune.data.bad_rows import BadRow
from vistune.data.readers import read_json_array


def read_ocr(path: Path | None) -> dict[str, tuple[str, ...]]:
    """Tokens by picture from a file in the form of TextVQA's Rosetta files: {"data": [{"image_id", "ocr_tokens"}]}.

    A row that says nothing of use is passed over: its picture has no tokens then. Without a file no picture has any.

    Raises:
        DataError: the file is not of that form.
    """
    tokens: dict[str, tuple[str, ...]] = {}
    if path is None:
        return tokens
    for _, record in read_json_array(path, "data"):
        if not isinstance(record, BadRow) and isinstance(record, dict) and isinstance(record.get("ocr_tokens"), list):
            words = tuple(word for word in record["ocr_tokens"] if isinstance(word, str) and word.strip())
            tokens[str(record.get("image_id"))] = words
    return tokens
