"""All data sets by name; a set's code is imported when it is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from vistune.data.strict_yaml import nearest
from vistune.errors import InputError

if TYPE_CHECKING:
    from vistune.data.sources.base import SetInfo, Source

# Where a set's class stands, in the order of the paper's task groups (InstructBLIP figure 2), extras last.
_PLACES: dict[str, tuple[str, str]] = {
    "coco_caption": ("coco_caption", "CocoCaption"),
    "web_capfilt": ("web_capfilt", "WebCapFilt"),
    "nocaps": ("nocaps", "NoCaps"),
    "flickr30k": ("flickr30k", "Flickr30K"),
    "textcaps": ("textcaps", "TextCaps"),
    "gqa": ("gqa", "GQA"),
    "vsr": ("vsr", "VSR"),
    "iconqa": ("iconqa", "IconQA"),
    "vqav2": ("vqav2", "VQAv2"),
    "vizwiz": ("vizwiz", "VizWiz"),
    "okvqa": ("okvqa", "OKVQA"),
    "aokvqa": ("aokvqa", "AOKVQA"),
    "scienceqa": ("scienceqa", "ScienceQA"),
    "ocrvqa": ("ocrvqa", "OCRVQA"),
    "textvqa": ("textvqa", "TextVQA"),
    "vqg_vqav2": ("vqg", "VQGVQAv2"),
    "vqg_okvqa": ("vqg", "VQGOKVQA"),
    "vqg_aokvqa": ("vqg", "VQGAOKVQA"),
    "msvd_qa": ("msvd_qa", "MSVDQA"),
    "msrvtt_qa": ("msrvtt_qa", "MSRVTTQA"),
    "ivqa": ("ivqa", "IVQA"),
    "visdial": ("visdial", "VisualDialog"),
    "hateful_memes": ("hateful_memes", "HatefulMemes"),
    "llava_detail": ("llava", "LLaVADetail"),
    "llava_reasoning": ("llava", "LLaVAReasoning"),
    "llava_conversation": ("llava", "LLaVAConversation"),
    "cc595k": ("llava", "CC595K"),
    "lcs558k": ("llava", "LCS558K"),
    "llava_instruct_158k": ("llava", "LLaVAInstruct158K"),
    "llava_mix665k": ("llava", "LLaVAMix665K"),
    "sharegpt": ("llava", "ShareGPT"),
    "scienceqa_qcm_lea": ("scienceqa_chat", "ScienceQALEA"),
    "scienceqa_qcm_lepa": ("scienceqa_chat", "ScienceQALEPA"),
    "scienceqa_qcm_a": ("scienceqa_chat", "ScienceQAA"),
    "scienceqa_all": ("scienceqa", "ScienceQAAll"),
    "pope": ("pope", "POPE"),
    "mme": ("mme", "MME"),
    "mmbench": ("mmbench", "MMBench"),
    "seed": ("seed", "SEEDBench"),
    "mm_vet": ("mm_vet", "MMVet"),
    "llava_bench": ("llava_bench", "LLaVABench"),
    "llava_bench_coco": ("llava_bench", "LLaVABenchCOCO"),
    "llava_bench_wild": ("llava_bench", "LLaVABenchWild"),
    "nlvr": ("nlvr", "NLVR"),
    "nlvr2": ("nlvr", "NLVR2"),
    "coco_objects": ("coco_objects", "CocoObjects"),
}


class _Sources(Mapping[str, "type[Source]"]):
    def __getitem__(self, name: str) -> type[Source]:
        module, kind = _PLACES[name]
        found: type[Source] = getattr(import_module(f"vistune.data.sources.{module}"), kind)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)

    def __contains__(self, name: object) -> bool:
        return name in _PLACES


SOURCES: Mapping[str, type[Source]] = _Sources()
"""The class of every set by name."""


def source(name: str) -> Source:
    """A data set.

    Raises:
        InputError: there is none of that name.
    """
    if name not in SOURCES:
        hint = nearest(name, SOURCES) or "; `vistune data list` shows them all."
        raise InputError(f"There is no data set {name!r}{hint}")
    return SOURCES[name]()


def infos() -> list[SetInfo]:
    """What is known about every set, in the order of the catalogue."""
    return [SOURCES[name].info for name in SOURCES]
