"""`vistune ask` answers, ranks and prints what a program can read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.commands import failure, vistune
from tests.tiny import picture


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    picture(3).save(path)
    return path


def test_every_family_answers(tiny_checkpoint: Path, photo: Path) -> None:
    import vistune as library

    outcome = vistune("ask", tiny_checkpoint, photo, "What colour is it?", "--max-new-tokens", 5, "--json")
    assert outcome.code == 0, outcome
    record = json.loads(outcome.out)
    [expected] = library.load(tiny_checkpoint).generate([photo], ["What colour is it?"], max_new_tokens=5)
    assert record == {
        "model": str(tiny_checkpoint),
        "images": [str(photo)],
        "prompt": "What colour is it?",
        "answer": expected,
    }
    plain = vistune("ask", tiny_checkpoint, photo, "What colour is it?", "--max-new-tokens", 5)
    assert (plain.code, plain.out) == (0, f"{expected}\n")


def test_choices_are_ranked(tiny_checkpoint: Path, photo: Path) -> None:
    import vistune as library

    arguments = ["ask", tiny_checkpoint, photo, "Is it red?", "--choices", "yes| no |maybe not"]
    record = json.loads(vistune(*arguments, "--json").out)
    [ranking] = library.load(tiny_checkpoint).rank([photo], ["Is it red?"], ["yes", "no", "maybe not"])
    scores = {row["text"]: row["score"] for row in record["choices"]}
    assert scores == pytest.approx(dict(zip(ranking.candidates, ranking.scores, strict=True)), abs=1e-4)
    assert record["answer"] == record["choices"][0]["text"] == max(scores, key=scores.__getitem__)
    lines = vistune(*arguments).out.splitlines()
    assert [line[:9].strip() for line in lines] == [row["text"] for row in record["choices"]]
    printed = [float(line.split()[-1]) for line in lines]
    assert printed == pytest.approx(sorted(scores.values(), reverse=True), abs=1e-3)


def test_several_pictures_and_none(tiny_checkpoints: dict[str, Path], photo: Path) -> None:
    llava = tiny_checkpoints["llava-mlp"]
    answers = [
        vistune("ask", llava, *pictures, "Describe the image.", "--max-new-tokens", 6, "--json")
        for pictures in ([], [photo], [photo, photo])
    ]
    assert [outcome.code for outcome in answers] == [0, 0, 0], answers
    assert [len(json.loads(outcome.out)["images"]) for outcome in answers] == [0, 1, 2]


def test_settings_reach_the_model(tiny_checkpoints: dict[str, Path], photo: Path) -> None:
    base = ["ask", tiny_checkpoints["llava-mlp"], photo, "Describe the image.", "--max-new-tokens", 12]
    greedy = vistune(*base).out
    sampled = [vistune(*base, "--temperature", 5, "--seed", seed).out for seed in (1, 1, 2)]
    assert sampled[0] == sampled[1]
    assert len({greedy, sampled[0], sampled[2]}) == 3
    assert vistune(*base, "--num-beams", 3).code == 0
    assert "temperature is -1" in failure(*base, "--temperature", -1, code=2)


def test_forgotten_prompt_is_noticed(tiny_checkpoints: dict[str, Path], photo: Path) -> None:
    outcome = vistune("ask", tiny_checkpoints["llava-mlp"], photo, photo)
    assert outcome.code == 2
    assert "put the prompt in quotes" in " ".join(outcome.err.replace("│", " ").split())


def test_prompt_that_begins_with_a_dash(tiny_checkpoints: dict[str, Path], photo: Path) -> None:
    assert vistune("ask", "--max-new-tokens", 2, tiny_checkpoints["llava-mlp"], photo, "--", "-1 or 1?").code == 0
