"""Features in a folder: what is read is what the encoder gives, and nothing stale or damaged is ever read."""

from __future__ import annotations

import os
import pickle
import shutil
import time
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.tiny import picture

from vistune.checkpoint import load_model
from vistune.data.archives import ImageBytes, find_member
from vistune.data.features import build_features, encode_features, feature_spec, final_norm, open_features
from vistune.data.features.names import NameTable
from vistune.data.features.tables import DigestTable
from vistune.data.processor import Processor
from vistune.data.transforms import ImageTransform
from vistune.errors import DataError
from vistune.model.vlm import VisionLanguageModel

Loaded = tuple[VisionLanguageModel, Processor]


@pytest.fixture
def eva(tiny_checkpoints: dict[str, Path]) -> Loaded:
    return load_model(tiny_checkpoints["instructblip-llama"], dtype="float32")


@pytest.fixture
def clip(tiny_checkpoints: dict[str, Path]) -> Loaded:
    return load_model(tiny_checkpoints["llava-linear"], dtype="float32")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Seven files, the last of the same content as the first; old enough that their names are kept."""
    folder = tmp_path / "photos"
    folder.mkdir()
    paths = [folder / f"{number}.png" for number in range(6)]
    for number, path in enumerate(paths):
        picture(number).save(path)
    paths.append(folder / "copy.png")
    shutil.copy(paths[0], paths[-1])
    return paths


def test_what_is_read_is_what_the_encoder_gives(eva: Loaded, clip: Loaded, photos: list[Path], tmp_path: Path) -> None:
    for number, (model, processor) in enumerate((eva, clip)):
        before = final_norm(model) is not None
        progress: list[tuple[int, int]] = []
        report = build_features(
            model,
            processor,
            photos,
            tmp_path / "features",
            batch_size=2,
            shard_bytes=2000,
            on_progress=lambda seen, encoded: progress.append((seen, encoded)),  # noqa: B023
        )
        assert (report.seen, report.encoded, report.stored) == (7, 6, 6)
        assert progress[-1] == (7, 6)
        assert report.shards > 1
        assert 0 < report.cast_error.absolute < 0.05
        # bfloat16 has 8 bits of mantissa: half a step is 1/256 of the number at most.
        assert 0 < report.cast_error.relative <= 1 / 256
        store = open_features(model, processor, tmp_path / "features")
        assert store.before_norm is before
        assert store.cast_error == report.cast_error
        expected = encode_features(model, processor, photos, before_norm=before, dtype=torch.bfloat16)
        assert torch.equal(store.read(store.rows_of(photos)), expected.read(expected.rows_of(photos)))
        assert len(list((tmp_path / "features").glob("*/features.json"))) == number + 1


def test_a_picture_is_known_by_its_content_wherever_it_stands(clip: Loaded, photos: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "features"
    assert build_features(*clip, photos[:3], root).encoded == 3
    moved = tmp_path / "elsewhere.png"
    photos[1].rename(moved)
    archive = tmp_path / "photos.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.write(photos[2], "inside.png")
    member = find_member(archive, ["inside.png"])
    assert member is not None
    again = [photos[-1], moved, member, ImageBytes("row 1", photos[2].read_bytes())]
    store = open_features(*clip, root)
    assert len({*store.rows_of(again)}) == 3
    assert store.rows_of([member]) == store.rows_of([photos[2]])
    assert build_features(*clip, again, root).encoded == 0
    in_memory = picture(1)
    assert in_memory not in store
    assert build_features(*clip, [in_memory, in_memory.copy()], root).encoded == 1
    assert in_memory in open_features(*clip, root)


def test_a_changed_file_has_no_features(clip: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one of the same size and time, as some copying tools leave it."""
    path = tmp_path / "photo.bmp"
    picture(1).save(path)
    old = path.stat()
    long_ago = time.time_ns() - 10**12
    os.utime(path, ns=(long_ago, long_ago))
    root = tmp_path / "features"
    build_features(*clip, [path], root)
    assert len(NameTable(root)) == 0, "names of files written just now are not kept"
    monkeypatch.setattr("vistune.data.features.keys._SETTLED_NS", 0)
    build_features(*clip, [path], root)
    assert len(NameTable(root)) == 1
    time.sleep(0.05)
    store = open_features(*clip, root)
    assert store.rows_of([path]) == [0]
    picture(2).save(path)
    os.utime(path, ns=(long_ago, long_ago))
    assert path.stat().st_size == old.st_size
    with pytest.raises(DataError, match=r"no features of image .*photo\.bmp.*new or was changed"):
        store.rows_of([path])
    assert build_features(*clip, [path], root).encoded == 1


def _weights(model: VisionLanguageModel, processor: Processor) -> None:
    with torch.no_grad():
        next(model.vision.parameters()).flatten()[0] += 1e-3


def _heads(model: VisionLanguageModel, processor: Processor) -> None:
    model.config.vision.backbone.num_attention_heads = 2


def _mean(model: VisionLanguageModel, processor: Processor) -> None:
    processor.image_processor.image_mean = [0.5, 0.5, 0.5]


def _layer(model: VisionLanguageModel, processor: Processor) -> None:
    object.__setattr__(model.config.vision, "feature_layer", -1)


def _half(model: VisionLanguageModel, processor: Processor) -> None:
    model.vision.bfloat16()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_weights, "encoder.weights"),
        (_heads, "encoder.config.num_attention_heads 2, there 4"),
        (_mean, r"preparation.settings.image_mean \[0.5"),
        (_layer, "encoder.layer -1, there -2"),
        (_half, "encoder.weights"),
    ],
)
def test_a_change_of_what_makes_features_reads_none_of_the_old(
    clip: Loaded,
    photos: list[Path],
    tmp_path: Path,
    change: Callable[[VisionLanguageModel, Processor], None],
    named: str,
) -> None:
    build_features(*clip, photos[:2], tmp_path / "features")
    change(*clip)
    with pytest.raises(DataError, match=f"those there differ in .*{named}"):
        open_features(*clip, tmp_path / "features")
    assert build_features(*clip, photos[:2], tmp_path / "features").encoded == 2


def test_versions_and_dtypes_are_kept_apart(
    clip: Loaded, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "features"
    build_features(*clip, photos[:1], root, dtype=torch.float16)
    with pytest.raises(DataError, match="differ in stored bfloat16, there float16"):
        open_features(*clip, root, dtype=torch.bfloat16)
    assert open_features(*clip, root).spec.dtype == torch.float16
    build_features(*clip, photos[:1], root, dtype=torch.bfloat16)
    assert open_features(*clip, root).spec.dtype == torch.bfloat16
    monkeypatch.setattr("PIL.__version__", "99.0")
    with pytest.raises(DataError, match=r"differ in versions.pillow 99.0, there"):
        open_features(*clip, root)
    with pytest.raises(DataError, match="expected float16, bfloat16 or float32"):
        build_features(*clip, photos[:1], root, dtype=torch.int8)


def test_transforms_are_kept_apart_and_random_ones_refused(clip: Loaded, photos: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "features"
    build_features(*clip, photos[:1], root)
    with pytest.raises(DataError, match=r"preparation.transform pad, there checkpoint"):
        open_features(*clip, root, transform=ImageTransform("pad"))
    assert build_features(*clip, photos[:1], root, transform=ImageTransform("pad")).encoded == 1
    padded = open_features(*clip, root, transform=ImageTransform("pad")).read([0])
    assert not torch.equal(padded, open_features(*clip, root).read([0]))
    for function in (partial(build_features, *clip, photos, root), partial(open_features, *clip, root)):
        with pytest.raises(DataError, match="'random-crop', which gives another picture every time"):
            function(transform=ImageTransform("random-crop"))


def test_ln_vision_may_train_without_new_features(eva: Loaded, photos: list[Path], tmp_path: Path) -> None:
    model, processor = eva
    after = feature_spec(model, processor, torch.bfloat16, before_norm=False)
    build_features(model, processor, photos[:2], tmp_path / "features")
    norm = final_norm(model)
    assert norm is not None
    with torch.no_grad():
        norm.weight.add_(1)
    assert build_features(model, processor, photos[:2], tmp_path / "features").encoded == 0
    assert feature_spec(model, processor, torch.bfloat16, before_norm=False).fingerprint != after.fingerprint


def test_the_folder_says_what_it_lacks(clip: Loaded, photos: list[Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="There is no folder of features"):
        open_features(*clip, tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no features; build them first"):
        open_features(*clip, tmp_path / "empty")
    with pytest.raises(DataError, match="no final norm"):
        feature_spec(*clip, torch.bfloat16, before_norm=True)


def test_a_store_may_be_sent_to_another_process(clip: Loaded, photos: list[Path], tmp_path: Path) -> None:
    build_features(*clip, photos, tmp_path / "features", shard_bytes=3000, batch_size=1)
    store = open_features(*clip, tmp_path / "features")
    rows = store.rows_of(photos)
    copy = pickle.loads(pickle.dumps(store))
    assert copy.rows_of(photos) == rows
    assert torch.equal(copy.read(rows), store.read(rows))


def test_digests_are_found_among_many() -> None:
    digests = np.random.default_rng(0).integers(0, 256, (5000, 16), dtype=np.uint8)
    digests[1000:2000, :8] = digests[0, :8]  # the same first half
    digests[4999] = digests[17]
    table = DigestTable(digests)
    expected = {digest.tobytes(): row for row, digest in reversed(list(enumerate(digests)))}
    assert all(table.find(digest.tobytes()) == expected[digest.tobytes()] for digest in digests)
    assert table.find(bytes(16)) == -1
    assert DigestTable(digests[:0]).find(bytes(16)) == -1


def test_a_damaged_table_of_names_is_not_believed(tmp_path: Path) -> None:
    table = NameTable(tmp_path)
    table.add([b"n" * 16], [b"v" * 16])
    table.save()
    assert NameTable(tmp_path).find(b"n" * 16) == b"v" * 16
    path = next(tmp_path.glob("names-*"))
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(bytes(content))
    assert NameTable(tmp_path).find(b"n" * 16) is None
