"""Where pictures, answer lists and the like may stand."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from tests.data.releases.every import RELEASES
from tests.data.releases.writing import Writer

from vistune.data.answer_lists import list_answers, read_answer_list, write_answer_list
from vistune.data.bad_rows import BadRow
from vistune.data.catalogue import source
from vistune.data.files import Files
from vistune.data.images import open_images
from vistune.data.rows import read_rows
from vistune.data.sources.msvd_qa import MSVDQA
from vistune.data.sources.pictures import coco_id, coco_image
from vistune.data.sources.visdial import VisualDialog
from vistune.errors import DataError, StorageError


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 7), "red").save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("train2014", "train2014/9"),
        ("train2014", "train2017/9"),
        ("train2014", "val2014/9"),
        ("val2014", "train2017/9"),
        ("val2014", "val2017/9"),
        ("train2017", "val2014/9"),
        ("val2017", "train2014/9"),
        ("test2017", "test2015/9"),
    ],
)
def test_a_coco_picture_is_found_in_either_release(asked: str, there: str, tmp_path: Path) -> None:
    Writer(tmp_path).coco(there)
    image = coco_image(Files(tmp_path), 9, asked)
    assert Path(str(image)).parent == tmp_path / "coco" / there.split("/")[0]
    with pytest.raises(BadRow, match="there is no picture"):
        coco_image(Files(tmp_path), 10, asked)


def test_training_pictures_do_not_stand_in_for_test_pictures(tmp_path: Path) -> None:
    Writer(tmp_path).coco("train2014/9", "train2017/9")
    with pytest.raises(BadRow):
        coco_image(Files(tmp_path), 9, "test2015")


def test_coco_ids() -> None:
    assert coco_id("COCO_val2014_000000522418.jpg") == coco_id("val2017/000000522418.jpg") == 522418
    with pytest.raises(BadRow, match="no COCO id"):
        coco_id("VizWiz_val_x.jpg")


def test_coco_pictures_in_a_zip(tmp_path: Path) -> None:
    RELEASES["vqav2"](Writer(tmp_path))
    (tmp_path / "coco" / "train2014" / "COCO_train2014_000000458752.jpg").unlink()
    (tmp_path / "coco" / "train2014").rmdir()
    with zipfile.ZipFile(tmp_path / "coco" / "train2014.zip", "w") as archive:
        archive.writestr("train2014/COCO_train2014_000000458752.jpg", jpeg())
    data = source("vqav2")
    (row,) = read_rows(data, data.files(tmp_path), "train")
    assert open_images(row.images)[0].size == (9, 7)


def test_web_capfilt_as_img2dataset_leaves_it(tmp_path: Path) -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    shards = tmp_path / "web_capfilt" / "shards"
    shards.mkdir(parents=True)
    for shard in range(2):
        keys = [f"{shard:05d}{number:04d}" for number in range(3)]
        table = {
            "url": ["http://x"] * 3,
            "caption": [f"caption {key}" for key in keys],
            "key": keys,
            "status": ["success", "failed_to_download", "success"],
        }
        pq.write_table(pa.table(table), shards / f"{shard:05d}.parquet")
        with tarfile.open(shards / f"{shard:05d}.tar", "w") as archive:
            for key in (keys[0], keys[2]):
                for suffix, content in (("jpg", jpeg()), ("txt", b"caption")):
                    member = tarfile.TarInfo(f"{key}.{suffix}")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    data = source("web_capfilt")
    rows = list(read_rows(data, data.files(tmp_path), "train"))
    assert [row.target for row in rows] == [
        f"caption {key}" for key in ("000000000", "000000002", "000010000", "000010002")
    ]
    assert open_images(rows[3].images)[0].size == (9, 7)


def test_visual_dialog_brings_its_candidates_and_their_relevance(tmp_path: Path) -> None:
    data = VisualDialog()
    RELEASES["visdial"](Writer(tmp_path))
    files = data.files(tmp_path)
    rows = {row.id: row for row in read_rows(data, files, "val")}
    relevance = data.relevance(files)
    assert set(relevance) == {"185565-2"}
    assert len(relevance["185565-2"]) == len(rows["185565-2"].candidates or ()) == 100
    assert relevance["185565-2"][:3] == (1.0, 0.5, 0.0)
    assert [round_.target in (round_.candidates or ()) for round_ in rows.values()] == [True, True]
    (tmp_path / "visdial" / "visdial_1.0_val_dense_annotations.json").unlink()
    assert data.relevance(files) == {}


def test_video_answers_to_rank_are_those_of_training(tmp_path: Path) -> None:
    RELEASES["msvd_qa"](Writer(tmp_path))
    data = source("msvd_qa")
    files = data.files(tmp_path)
    assert data.candidates(files) == ("man", "cat")
    Writer(tmp_path).json("msvd_qa/train_ans2label.json", {"dog": 1, "man": 0, "cat": 2})
    assert data.candidates(files) == ("man", "dog", "cat")
    write_answer_list(("someone", "man"), tmp_path / "msvd_qa" / "answers.txt")
    assert data.candidates(files) == ("someone", "man")
    RELEASES["msrvtt_qa"](Writer(tmp_path))
    other = source("msrvtt_qa")
    assert other.candidates(other.files(tmp_path)) is None
    assert source("okvqa").candidates(files) is None


def test_answers_of_more_splits_can_be_listed(tmp_path: Path) -> None:
    RELEASES["msvd_qa"](Writer(tmp_path))
    data = MSVDQA()
    assert data.answer_list(data.files(tmp_path), ("train", "val")) == ("man", "cat", "someone")


def test_answer_lists(tmp_path: Path) -> None:
    answers = list_answers(["b", "a", "c", "b", "c", "b"])
    assert answers == ("b", "c", "a")
    write_answer_list(answers, tmp_path / "new" / "answers.txt")
    assert read_answer_list(tmp_path / "new" / "answers.txt") == answers
    with pytest.raises(DataError, match="line break"):
        write_answer_list(["a\nb"], tmp_path / "answers.txt")
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        write_answer_list(["a"], tmp_path / "file" / "answers.txt")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "x\ny\nx\n", "twice: x"),
        ("a.txt", "\n", "no answers"),
        ("a.json", '["a", 3]', "the answer 3"),
        ("a.json", '"a"', "expected a list"),
    ],
)
def test_broken_answer_lists(name: str, content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_answer_list(tmp_path / name)


def test_lavis_form_of_video_questions(tmp_path: Path) -> None:
    write = Writer(tmp_path)
    row = {"video": "video7.mp4", "question": "who?", "answer": "man", "question_id": 9}
    write.json("msrvtt_qa/qa_test.json", [row])
    write.json("msrvtt_qa/train_ans2label.json", {"man": 0, "cat": 1})
    write.text("msrvtt_qa/videos/video7.mp4", "no video")
    data = source("msrvtt_qa")
    (example,) = read_rows(data, data.files(tmp_path), "test")
    assert (example.id, example.question, example.target) == ("9", "who?", "man")
    assert str(example.images[0]).startswith(str(tmp_path / "msrvtt_qa/videos/video7.mp4"))
    assert data.candidates(data.files(tmp_path)) == ("man", "cat")
