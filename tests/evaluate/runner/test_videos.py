"""Benchmarks about videos end to end, on real files: frames, prompts, answers and figures of `vistune eval`.

Truth: LAVIS at the commit of InstructBLIP's release (load_video: frames 0, v/4, v/2, 3v/4) for the frames, and
transformers' InstructBlipVideo, which has the Q-Former read every frame with the instruction, for the answers.
"""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.cli.commands import failure, vistune
from tests.data.releases.writing import Writer

av = pytest.importorskip("av", reason="needs PyAV (extra `video`)")

from tests.data.test_video import COLORS, make_video  # noqa: E402
from transformers import (  # noqa: E402
    AutoProcessor,
    InstructBlipForConditionalGeneration,
    InstructBlipVideoConfig,
    InstructBlipVideoForConditionalGeneration,
)

ANSWERS = ("man", "cat", "dog")
MSVD = {"answer": "cat", "id": 43, "question": "what is sleeping?", "video_id": 1201}
MSRVTT = {"answer": "couch", "category_id": 14, "id": 158581, "question": "what is it?", "video_id": 6513}
IVQA_HEAD = "video_id,start,end,question,answer1,answer2,answer3,answer4,answer5\n"


def lossless(path: Path, colors: list[tuple[int, int, int]]) -> Path:
    """A video whose frames are the colours; the container is recognised by what it holds, whatever its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = make_video(path.with_suffix(".mkv"), "ffv1", colors)
    return made.rename(path)


def write_releases(root: Path) -> Path:
    """MSVD-QA, MSRVTT-QA and iVQA with seven frames each."""
    write = Writer(root)
    write.json("msvd_qa/test_qa.json", [MSVD, {**MSVD, "id": 44, "answer": "bird", "question": "who is it?"}])
    train = [{**MSVD, "id": number, "answer": answer} for number, answer in enumerate((*ANSWERS, "man"))]
    write.json("msvd_qa/train_qa.json", train)
    write.text("msvd_qa/youtube_mapping.txt", "-7KMZQEsJW4_205_208 vid1201\n")
    lossless(root / VIDEOS["msvd_qa"], COLORS)
    write.json("msrvtt_qa/test_qa.json", [MSRVTT])
    write.json("msrvtt_qa/train_qa.json", [{**MSRVTT, "id": 1, "answer": answer} for answer in ("couch", "a red sofa")])
    lossless(root / VIDEOS["msrvtt_qa"], COLORS[::-1])
    said = "dough,dough,bread,dough,pastry"
    write.text("ivqa/test.csv", f'{IVQA_HEAD}PbJ0Pel0mXw,21,26,"What is cut, and how?",{said}\n')
    lossless(root / VIDEOS["ivqa"], COLORS[2:] + COLORS[:2])
    return root


VIDEOS = {
    "msvd_qa": "msvd_qa/YouTubeClips/-7KMZQEsJW4_205_208.avi",
    "msrvtt_qa": "msrvtt_qa/TestVideo/video6513.mp4",
    "ivqa": "ivqa/videos/PbJ0Pel0mXw_21_26.mp4",
}
QUESTIONS = {"msvd_qa": "what is sleeping?", "msrvtt_qa": "what is it?", "ivqa": "What is cut, and how?"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_releases(tmp_path_factory.mktemp("videos"))


def entry_and_rows(out: Path, name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    entries = json.loads((out / "results.json").read_text())["benchmarks"]
    rows = [json.loads(line) for line in (out / name / "rows.jsonl").read_text().splitlines()]
    return next(entry for entry in entries if entry["name"] == name), rows


@lru_cache(maxsize=2)
def reference(folder: Path) -> tuple[Any, Any]:
    """transformers' model for videos with the weights of a folder, and its processor of texts and pictures."""
    model = InstructBlipForConditionalGeneration.from_pretrained(folder)
    settings = model.config.to_dict()
    parts = {name: settings[name] for name in ("vision_config", "qformer_config", "text_config")}
    config = InstructBlipVideoConfig(
        **parts, num_query_tokens=settings["num_query_tokens"], video_token_index=settings["image_token_index"]
    )
    video = InstructBlipVideoForConditionalGeneration(config).eval()
    missing, unexpected = video.load_state_dict(model.state_dict(), strict=False)
    assert not missing and not unexpected
    return video, AutoProcessor.from_pretrained(folder, backend="pil")


def published_frames(video: Path) -> list[Image.Image]:
    """Four frames as LAVIS chose them (15e5327, load_video): np.arange(0, v, v / 4).astype(int)."""
    with av.open(str(video)) as container:
        every = [frame.to_image() for frame in container.decode(video=0)]
    return [every[index] for index in np.arange(0, len(every), len(every) / 4).astype(int)]


def reference_inputs(folder: Path, frames: list[Image.Image], words: str) -> dict[str, torch.Tensor]:
    model, processor = reference(folder)
    pixels = processor.image_processor(images=frames, return_tensors="pt")["pixel_values"]
    instruction = processor.qformer_tokenizer(words, return_tensors="pt")
    ids = processor.tokenizer(words, return_tensors="pt")["input_ids"]
    # InstructBlipVideoProcessor: the tokens of four frames in front of the text, the first token of the text behind.
    marks = torch.full((1, 4 * model.config.num_query_tokens), model.config.video_token_index)
    ids = torch.cat([marks, ids], dim=1)
    return {
        "pixel_values": pixels[None],
        "qformer_input_ids": instruction["input_ids"],
        "qformer_attention_mask": instruction["attention_mask"],
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
    }


@torch.no_grad()
def reference_score(folder: Path, frames: list[Image.Image], words: str, candidate: str) -> float:
    """Sum of the log-probabilities of a candidate's tokens; T5's with its closing token, as published."""
    model, processor = reference(folder)
    inputs = reference_inputs(folder, frames, words)
    if model.config.use_decoder_only_language_model:
        answer = processor.tokenizer(candidate, add_special_tokens=False, return_tensors="pt")["input_ids"]
        inputs["input_ids"] = torch.cat([inputs["input_ids"], answer], dim=1)
        inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        logits = model(**inputs).logits[:, -answer.shape[1] - 1 : -1]
    else:
        answer = processor.tokenizer(candidate, return_tensors="pt")["input_ids"]
        logits = model(**inputs, labels=answer).logits
    return float(logits.log_softmax(-1).gather(2, answer[..., None]).sum())


@pytest.mark.parametrize("family", ["instructblip-llama", "instructblip-t5"])
def test_three_benchmarks_from_files_to_figures(
    family: str, root: Path, tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    folder = tiny_checkpoints[family]
    chosen = [part for name in VIDEOS for part in ("--benchmark", name)]
    outcome = vistune("eval", folder, *chosen, "--data-root", root, "--out", tmp_path)
    assert outcome.code == 0, outcome.err
    for name, video in VIDEOS.items():
        frames = published_frames(root / video)
        entry, rows = entry_and_rows(tmp_path, name)
        words = f"Question: {QUESTIONS[name]} Short answer:"
        # Vicuna's prompt begins with </s>, T5's ends with it.
        assert rows[0]["prompt"] == "<image>" * 4 + (f"</s> {words}" if "llama" in family else f"{words}</s>")
        assert entry["settings"]["published_prompt"] is True
        if name == "ivqa":
            assert entry["settings"]["answering"] == "generate" and "candidates" not in rows[0]
            said = rows[0]["answer"]
            times = ["dough", "dough", "bread", "dough", "pastry"].count(said)
            assert rows[0]["score"] == entry["value"] == 100 * min(times / 2, 1)
            continue
        assert entry["settings"]["answering"] == "rank"
        expected = ("man", "cat", "dog") if name == "msvd_qa" else ("a red sofa", "couch")
        assert sorted(rows[0]["candidates"]) == sorted(expected)
        for candidate, score in zip(rows[0]["candidates"], rows[0]["scores"], strict=True):
            assert score == pytest.approx(reference_score(folder, frames, words, candidate), abs=2e-3), candidate
        best = max(zip(rows[0]["scores"], rows[0]["candidates"], strict=True))[1]
        assert rows[0]["answer"] == best
        assert rows[0]["score"] == 100 * (best == ("cat" if name == "msvd_qa" else "couch"))
    # An answer that no row of the training split has cannot be chosen.
    entry, rows = entry_and_rows(tmp_path, "msvd_qa")
    assert rows[1]["score"] == 0 and "bird" not in rows[1]["candidates"]


def test_t5_writes_what_transformers_does(root: Path, tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """With the protocol's beams and penalties, which count the answer alone: an encoder-decoder's prompt never does."""
    folder = tiny_checkpoints["instructblip-t5"]
    assert vistune("eval", folder, "--benchmark", "ivqa", "--data-root", root, "--out", tmp_path).code == 0
    entry, rows = entry_and_rows(tmp_path, "ivqa")
    given = entry["settings"]["decoding"]
    expected = {"num_beams": 5, "max_new_tokens": 10, "length_penalty": -1.0, "repetition_penalty": 1.5}
    assert expected.items() <= given.items()
    inputs = reference_inputs(
        folder, published_frames(root / VIDEOS["ivqa"]), f"Question: {QUESTIONS['ivqa']} Short answer:"
    )
    model, processor = reference(folder)
    ids = model.generate(**inputs, do_sample=False, min_new_tokens=1, **expected)
    assert rows[0]["text"] == processor.tokenizer.decode(ids[0], skip_special_tokens=True).strip() != ""


def test_four_frames_of_any_video_and_an_answer_kept_by_its_content(
    tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    """One frame alone is seen four times; the same command asks again only about a video that changed."""
    data = write_releases(tmp_path / "data")
    arguments = ("--benchmark", "msrvtt_qa", "--data-root", data, "--out", tmp_path / "out")
    folder = tiny_checkpoints["instructblip-llama"]
    for color, reused in ((COLORS[0], 0), (None, 1), (COLORS[1], 0)):
        if color is not None:
            lossless(data / VIDEOS["msrvtt_qa"], [color])
        outcome = vistune("eval", folder, *arguments)
        assert outcome.code == 0, outcome.err
        entry, rows = entry_and_rows(tmp_path / "out", "msrvtt_qa")
        assert entry["reused"] == reused
        frames = published_frames(data / VIDEOS["msrvtt_qa"])
        assert len(frames) == 4
        for candidate, score in zip(rows[0]["candidates"], rows[0]["scores"], strict=True):
            found = reference_score(folder, frames, "Question: what is it? Short answer:", candidate)
            assert score == pytest.approx(found, abs=2e-3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"no video", "Row '158581': video '{}' cannot be read (Invalid data found when processing input)"),
        (b"", "Row '158581': video '{}' cannot be read (Invalid data found when processing input)"),
        (700, "Row '158581': video '{}' has no frame that can be decoded; is it cut off?"),
        (None, "test_qa.json, record 1: the video of row '158581' is missing: there is no video6513.mp4 in msrvtt_qa/"),
    ],
)
def test_a_video_that_is_none_is_told_with_its_row(
    content: bytes | int | None, said: str, tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    data = write_releases(tmp_path / "data")
    video = data / VIDEOS["msrvtt_qa"]
    if content is None:
        video.rename(video.with_name("video1.mp4"))
    else:
        video.write_bytes(content if isinstance(content, bytes) else video.read_bytes()[:content])
    arguments = ("--benchmark", "msrvtt_qa", "--data-root", data, "--out", tmp_path / "out")
    told = failure("eval", tiny_checkpoints["instructblip-t5"], *arguments, code=1)
    assert said.format(video) in told
    assert not (tmp_path / "out" / "results.json").exists()


def test_a_cut_off_video_gives_the_frames_that_are_left(tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    data = write_releases(tmp_path / "data")
    video = data / VIDEOS["msrvtt_qa"]
    content = video.read_bytes()
    video.write_bytes(content[: len(content) * 2 // 3])
    arguments = ("--benchmark", "msrvtt_qa", "--data-root", data, "--out", tmp_path / "out")
    outcome = vistune("eval", tiny_checkpoints["instructblip-t5"], *arguments)
    assert outcome.code == 0, outcome.err
    assert f"Video '{video}' is cut off: 0.6 of 1.4 s are left" in outcome.err


def test_without_questions_of_training_there_is_nothing_to_rank(
    tiny_checkpoints: dict[str, Path], tmp_path: Path
) -> None:
    data = write_releases(tmp_path / "data")
    (data / "msvd_qa" / "train_qa.json").unlink()
    arguments = ("--benchmark", "msvd_qa", "--data-root", data, "--out", tmp_path / "out")
    told = failure("eval", tiny_checkpoints["instructblip-t5"], *arguments, code=1)
    assert "msvd_qa/answers.txt or " in told and "msvd_qa/train_qa.json" in told
    (data / "msvd_qa" / "answers.txt").write_text("cat\nbird\n", encoding="utf-8")
    outcome = vistune("eval", tiny_checkpoints["instructblip-t5"], *arguments)
    assert outcome.code == 0, outcome.err
    _, rows = entry_and_rows(tmp_path / "out", "msvd_qa")
    assert rows[0]["candidates"] == ["cat", "bird"]


@pytest.mark.parametrize("family", ["instructblip-llama", "instructblip-t5"])
def test_the_best_of_a_long_list_is_found(family: str, tiny_checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """Lists of thousands of answers are not read to the end; the best one must be that of reading all."""
    data = write_releases(tmp_path / "data")
    words = ("red", "small", "cat", "on", "left", "two", "a", "dog", "blue", "what")
    listed = [f"{one} {other} {third}" for one in words for other in words[3:] for third in words[:3]]
    (data / "msrvtt_qa" / "answers.txt").write_text("".join(f"{text}\n" for text in listed), encoding="utf-8")
    folder = tiny_checkpoints[family]
    outcome = vistune("eval", folder, "--benchmark", "msrvtt_qa", "--data-root", data, "--out", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    _, rows = entry_and_rows(tmp_path / "out", "msrvtt_qa")
    assert rows[0]["of"] == len(listed) == 210
    frames = published_frames(data / VIDEOS["msrvtt_qa"])
    found = {text: reference_score(folder, frames, "Question: what is it? Short answer:", text) for text in listed}
    best = max(found, key=found.__getitem__)
    assert found[rows[0]["answer"]] == pytest.approx(found[best], abs=2e-3)
    kept = dict(zip(rows[0]["candidates"], rows[0]["scores"], strict=True))
    assert all(score == pytest.approx(found[text], abs=2e-3) for text, score in kept.items())


def test_without_pyav(tiny_checkpoints: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = write_releases(tmp_path / "data")
    monkeypatch.setitem(sys.modules, "av", None)
    arguments = ("--benchmark", "ivqa", "--data-root", data, "--out", tmp_path / "out")
    told = failure("eval", tiny_checkpoints["instructblip-t5"], *arguments, code=2)
    assert "pip install 'vistune[video]'" in told
