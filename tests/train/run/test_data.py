"""What a stage learns from: captions by the rule that a recipe names, for each objective that reads captions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.model.vlm_rig import load
from tests.tiny import blip_image_processor, picture
from tests.tiny_tokenizers import bert_tokenizer

from vistune.data.pairs import PairProcessor, caption_ids
from vistune.train.recipe import load_recipe, recipe_names
from vistune.train.run.data import open_stage_data

WRITTEN, LEARNED = "A Cat; on the (red) mat.", "a cat on the red mat"


def tokens(name: str, folder: Path, processor: object, *more: str) -> tuple[list[int], list[int]]:
    """Ids and labels of the one row that a published recipe's last stage learns from."""
    picture().save(folder / "cat.png")
    (folder / "rows.jsonl").write_text(json.dumps({"image": "cat.png", "caption": WRITTEN, "answer": WRITTEN}))
    own = f"data.sets=[{{name: mine, path: {folder / 'rows.jsonl'}}}]"
    recipe = load_recipe(name, [own, *more]).recipe
    stage = recipe.stages[-1]
    data = open_stage_data(stage, recipe.data_of(stage), processor)  # type: ignore[arg-type]
    sample = data.sets[0].tokens(0)
    return sample.input_ids, sample.labels or []


@pytest.mark.parametrize(("more", "words"), [((), LEARNED), (("data.targets=as_written",), WRITTEN)])
def test_published_blip2_learns_captions_by_lavis_rule(
    tmp_path: Path, tiny_checkpoints: dict[str, Path], more: tuple[str, ...], words: str
) -> None:
    pairs = PairProcessor(bert_tokenizer(), blip_image_processor())
    assert tokens("blip2_stage1", tmp_path, pairs, *more)[0] == caption_ids(words, pairs.tokenizer)
    _, opt = load(tiny_checkpoints["blip2-opt"])
    learned = [label for label in tokens("blip2_stage2_opt2.7b", tmp_path, opt, *more)[1] if label >= 0]
    assert opt.tokenizer.decode(learned) == words + "\n"
    _, t5 = load(tiny_checkpoints["blip2-t5"])
    ids, labels = tokens("blip2_stage2_flant5xl", tmp_path, t5, *more)
    both = t5.tokenizer.decode(ids[t5.num_image_tokens :] + labels, skip_special_tokens=True)
    assert both.split() == t5.tokenizer.decode(t5.tokenizer(words)["input_ids"], skip_special_tokens=True).split()


def test_which_recipes_name_the_rule() -> None:
    """BLIP-2's (LAVIS pretrain_stage1.yaml, pretrain_stage2.yaml); of InstructBLIP it is not known."""
    names = set()
    for name in recipe_names():
        recipe = load_recipe(name).recipe
        if all(recipe.data_of(stage).targets == "blip_caption" for stage in recipe.stages):
            names.add(name)
    assert names == {name for name in recipe_names() if "blip2_stage" in name}
