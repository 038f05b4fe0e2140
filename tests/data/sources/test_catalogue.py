"""The catalogue: the 26 sets of the paper with their groups and roles, and what LLaVA needs."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from vistune.data.catalogue import SOURCES, infos, source
from vistune.data.sources.base import GROUPS
from vistune.errors import InputError

# InstructBLIP, figure 2 and appendix C, by hand.
HELD_IN = {
    *("coco_caption", "web_capfilt", "textcaps", "vqav2", "okvqa", "aokvqa", "ocrvqa"),
    *("vqg_vqav2", "vqg_okvqa", "vqg_aokvqa", "llava_detail", "llava_reasoning", "llava_conversation"),
}
HELD_OUT = {
    *("nocaps", "flickr30k", "gqa", "vsr", "iconqa", "vizwiz", "textvqa", "scienceqa"),
    *("msvd_qa", "msrvtt_qa", "ivqa", "visdial", "hateful_memes"),
}
NEVER_TRAINED = {"visual_reasoning", "video_qa", "visual_dialog", "classification"}


def test_the_papers_sets_and_roles() -> None:
    by_role = {role: {info.name for info in infos() if info.role == role} for role in ("held-in", "held-out", "extra")}
    assert by_role["held-in"] == HELD_IN
    assert by_role["held-out"] == HELD_OUT
    assert len(HELD_IN | HELD_OUT) == 26
    assert {"cc595k", "llava_instruct_158k", "llava_mix665k", "sharegpt"} <= by_role["extra"]


def test_groups() -> None:
    counts = Counter(info.group for info in infos() if info.role != "extra")
    assert set(counts) == set(GROUPS)
    trained = {info.group for info in infos() if info.role == "held-in"}
    assert trained == set(GROUPS) - NEVER_TRAINED
    assert counts["vqg"] == counts["llava"] == counts["video_qa"] == 3


@pytest.mark.parametrize("info", infos(), ids=lambda info: info.name)
def test_what_is_known_of_a_set_is_whole(info: object) -> None:
    from vistune.data.sources.base import SetInfo

    assert isinstance(info, SetInfo)
    assert SOURCES[info.name].info is info
    assert info.title and info.licence and info.folder and info.url.startswith("https://")
    assert set(info.splits) == set(info.annotations)
    assert info.unlabelled <= set(info.splits) and info.rounded <= set(info.splits)
    assert info.train_split in {None, *info.splits} and info.eval_split in {None, *info.splits}
    assert (info.train_split is not None) if info.role == "held-in" else True
    assert (info.eval_split is not None and info.metric != "-") if info.role == "held-out" else True
    assert all(count is None or count > 0 for count in info.splits.values())
    # A flipped picture must not make words wrong.
    assert not info.mirror_safe or info.group in {"caption", "llava"}


def test_unknown_names_are_told_the_nearest() -> None:
    with pytest.raises(InputError, match=r"no data set 'okvqaa'; did you mean 'okvqa'\?"):
        source("okvqaa")
    with pytest.raises(InputError, match="vistune data list"):
        source("zzzz")


def test_the_catalogue_imports_nothing_heavy() -> None:
    code = (
        "import sys, vistune.data.catalogue as c; early = [m for m in sys.modules if m.endswith('.gqa')]; c.infos(); "
        "print(early, [m for m in ('torch', 'numpy', 'PIL', 'pyarrow', 'transformers', 'av') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"
