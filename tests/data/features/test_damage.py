"""Features that must not be stored, and stored ones that are no longer what they were."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from tests.cli.test_full_disk import Mount, small_disk  # noqa: F401 (a fixture)
from tests.tiny import picture
from torch import Tensor

from vistune.checkpoint import load_model
from vistune.data.features import build_features, encode_features, open_features
from vistune.data.features.cast import CastError, cast
from vistune.data.processor import Processor
from vistune.errors import DataError, ImageError, StorageError
from vistune.model.vlm import VisionLanguageModel

Loaded = tuple[VisionLanguageModel, Processor]


@pytest.fixture
def clip(tiny_checkpoints: dict[str, Path]) -> Loaded:
    return load_model(tiny_checkpoints["llava-linear"], dtype="float32")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for number, path in enumerate(paths):
        picture(number).save(path)
    return paths


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(bytes(content))


def test_a_flipped_byte_anywhere_is_found_and_repaired(clip: Loaded, photos: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "features"
    build_features(*clip, photos, root)
    good = open_features(*clip, root)
    expected = good.read(good.rows_of(photos))
    shard = next(root.glob("*/*.safetensors"))
    whole = shard.read_bytes()
    unnoticed, messages = [], []
    for place in [*range(0, 700, 9), *range(700, len(whole), len(whole) // 40), len(whole) - 1]:
        flip(shard, place)
        try:
            store = open_features(*clip, root)
            if not torch.equal(store.read(store.rows_of(photos)), expected):
                unnoticed.append(place)
        except DataError as error:
            messages.append(str(error))
        shard.write_bytes(whole)
    assert unnoticed == []
    assert all(shard.name in message and "delete it and build" in message for message in messages)
    flip(shard, len(whole) // 2)
    with pytest.raises(DataError, match=r"the features of picture . of 4 are not those written"):
        open_features(*clip, root).verify()
    assert build_features(*clip, photos, root).encoded == 0, "only indexes are read unless asked for"
    assert build_features(*clip, photos, root, verify=True).encoded == 4
    store = open_features(*clip, root)
    store.verify()
    assert torch.equal(store.read(store.rows_of(photos)), expected)


def test_a_shard_that_was_cut_off_is_encoded_again(clip: Loaded, photos: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "features"
    build_features(*clip, photos, root)
    shard = next(root.glob("*/*.safetensors"))
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(DataError, match="cut off or damaged"):
        open_features(*clip, root)
    assert build_features(*clip, photos, root).encoded == 4


def spoil(model: VisionLanguageModel, value: float, row: int) -> None:
    """Make one number of the features of one picture of each batch ``value``."""

    def hook(_module: object, _arguments: object, output: Tensor) -> Tensor:
        output = output.clone()
        output[row, 3, 5] = value
        return output

    model.vision.register_forward_hook(hook)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_refused_with_the_picture_named(
    clip: Loaded, photos: list[Path], tmp_path: Path, value: float
) -> None:
    spoil(clip[0], value, row=1)
    message = rf"gives {value} for image '.*{photos[1].name}' \(token 3, channel 5\)"
    with pytest.raises(DataError, match=message):
        build_features(*clip, photos, tmp_path / "features")
    assert not list((tmp_path / "features").glob("*/*.safetensors"))
    with pytest.raises(DataError, match=message):
        encode_features(*clip, photos)


def test_what_overflows_is_refused_and_fits_elsewhere(clip: Loaded, photos: list[Path], tmp_path: Path) -> None:
    spoil(clip[0], -70000.0, row=2)
    with pytest.raises(DataError, match=rf"{photos[2].name}' is -70000 .*does not fit float16 \(at most 65504\)"):
        build_features(*clip, photos, tmp_path / "features", dtype=torch.float16)
    report = build_features(*clip, photos, tmp_path / "features", dtype=torch.bfloat16)
    assert report.encoded == 4
    assert report.cast_error.value == -70000
    assert report.cast_error.absolute == abs(float(torch.tensor(-70000.0).bfloat16()) + 70000)


def test_what_was_encoded_before_an_error_is_kept(clip: Loaded, photos: list[Path], tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    images = [*photos[:3], broken, photos[3]]
    with pytest.raises(ImageError, match=r"broken\.png"):
        build_features(*clip, images, tmp_path / "features", batch_size=1)
    bad: list[object] = []
    report = build_features(*clip, images, tmp_path / "features", batch_size=1, on_bad=lambda ref, _: bad.append(ref))
    assert (report.left_out, bad, report.stored) == (1, [broken], 4)
    assert report.encoded < 4
    with pytest.raises(ImageError, match=r"no image .*gone\.png"):
        build_features(*clip, [tmp_path / "gone.png"], tmp_path / "features")


def test_the_worst_error_of_the_cast() -> None:
    values = torch.tensor([[[1.0, 1.0 + 2**-9]], [[100.0, 100.25]]])
    stored, error = cast(values, torch.bfloat16, ["a", "b"])
    assert stored.dtype == torch.bfloat16
    assert error == CastError(absolute=0.25, value=100.25, relative=pytest.approx(0.25 / 100.25))
    assert cast(values, torch.float32, ["a", "b"])[1] == CastError()
    assert error.worst(CastError(0.1, 3.0, 0.5)) == CastError(0.25, 100.25, 0.5)


def test_a_full_disk_leaves_whole_features_and_a_sentence(
    clip: Loaded,
    photos: list[Path],
    small_disk: Mount,  # noqa: F811
) -> None:
    more = [picture(number) for number in range(4, 20)]
    disk = small_disk(6 * 4096)  # a file takes a page of 4096 bytes at least
    with pytest.raises(StorageError, match="no room left on the disk"):
        build_features(*clip, [*photos, *more], disk / "features", batch_size=1, shard_bytes=1)
    assert not list(disk.rglob("*.part"))
    shards = list(disk.rglob("*.safetensors"))
    assert 1 <= len(shards) <= 5
    store = open_features(*clip, disk / "features")
    store.verify()
    assert len(store) == len(shards)


def test_a_folder_that_cannot_be_written(clip: Loaded, photos: list[Path], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        build_features(*clip, photos, tmp_path / "file")
