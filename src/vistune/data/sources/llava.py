"""LLaVA's own data: instructions written by GPT-4 about COCO pictures, pairs to align with, and text alone.

All rows come in words of their own: ``turns`` with ``<image>`` where the release has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from vistune.data.bad_rows import Place
from vistune.data.example import Example
from vistune.data.files import Files
from vistune.data.readers import read_json_array
from vistune.data.sources.base import Role, Rows, SetInfo, Source, matching, objects, text_of
from vistune.data.sources.conversations import turns_of, with_image
from vistune.data.sources.pictures import first_image, mixed_image, source_ids

if TYPE_CHECKING:
    from vistune.data.example import ImageRef

_FOLDER = "llava_instruct"
_HUB = "https://huggingface.co/datasets/liuhaotian"
_LICENCE = "CC BY 4.0 (written by GPT-4: OpenAI's terms)"
_COCO = ("coco/train2017", "coco/train2014", "coco/val2014")


def _instruct(name: str, title: str, role: Role, file: str, count: int, other: str | None = None) -> SetInfo:
    return SetInfo(
        name=name,
        title=title,
        role=role,
        splits={"train": count},  # LLaVA section 3, LLaVA-1.5 table 7: in thousands
        rounded=frozenset({"train"}),
        licence=_LICENCE,
        url=f"{_HUB}/LLaVA-Instruct-150K",
        folder=_FOLDER,
        annotations={"train": ((file, other) if other else (file,),)},
        images=_COCO,
        train_split="train",
    )


def _with_folder(name: str) -> str:
    return name if "/" in name else f"coco/train2017/{name}"


class LLaVAConversations(Source):
    """A JSON array of conversations. Ids occur several times in the releases, so each gets the row's number."""

    def records(self, files: Files, split: str) -> Rows:
        """Conversations."""
        (path,) = self.paths(files, split)
        return objects(read_json_array(path))

    def examples(self, record: Any, place: Place, files: Files, split: str) -> Iterator[Example]:
        """One conversation."""
        name = text_of(record, "image") if record.get("image") else ""
        yield Example(
            f"{record.get('id', '')}-{place.index}",
            self.info.name,
            images=(self.image(files, name),) if name else (),
            turns=with_image(turns_of(record), images=1 if name else 0),
            source_ids=self.source_ids(name) if name else (),
        )

    def image(self, files: Files, name: str) -> ImageRef:
        """The picture of a row, by default COCO's where no folder is named.

        Raises:
            BadRow: it is not there.
        """
        return mixed_image(files, _with_folder(name))

    def source_ids(self, name: str) -> tuple[str, ...]:
        """What the picture of a row is called across sets."""
        return source_ids(_with_folder(name))


class LLaVADetail(LLaVAConversations):
    """Detailed descriptions."""

    info = _instruct("llava_detail", "LLaVA-Instruct, detailed descriptions", "held-in", "detail_23k.json", 23_000)


class LLaVAReasoning(LLaVAConversations):
    """Complex reasoning."""

    info = _instruct("llava_reasoning", "LLaVA-Instruct, reasoning", "held-in", "complex_reasoning_77k.json", 77_000)


class LLaVAConversation(LLaVAConversations):
    """Conversations of several turns."""

    info = _instruct("llava_conversation", "LLaVA-Instruct, conversation", "held-in", "conversation_58k.json", 58_000)


class LLaVAInstruct158K(LLaVAConversations):
    """The three together: stage 2 of LLaVA. The file is called 150k."""

    info = _instruct(
        "llava_instruct_158k",
        "LLaVA-Instruct-158K",
        "extra",
        "llava_instruct_150k.json",
        158_000,
        other="llava_instruct_158k.json",
    )


class LLaVAMix665K(LLaVAConversations):
    """Stage 2 of LLaVA-1.5: pictures named relative to the data root (coco/, gqa/, ocr_vqa/, textvqa/, vg/)."""

    info = replace(
        _instruct("llava_mix665k", "LLaVA-1.5 mixture", "extra", "llava_v1_5_mix665k.json", 665_000),
        images=("coco/train2017", "gqa/images", "ocr_vqa/images", "textvqa/train_images", "vg/VG_100K", "vg/VG_100K_2"),
    )


class ShareGPT(LLaVAConversations):
    """The rows of that mixture that have no picture: what people shared of their talks with ChatGPT."""

    info = replace(
        _instruct("sharegpt", "ShareGPT of the LLaVA-1.5 mixture", "extra", "llava_v1_5_mix665k.json", 40_688),
        rounded=frozenset(),  # counted in github.com/haotian-liu/LLaVA/issues/546
        images=(),
    )

    def records(self, files: Files, split: str) -> Rows:
        """Conversations without a picture."""
        return matching(super().records(files, split), lambda record: not record.get("image"))


class _Pairs(LLaVAConversations):
    """Pictures with one request and a caption, to align with; pictures in the set's own folder."""

    def image(self, files: Files, name: str) -> ImageRef:
        """The picture of a row, in images/ or beside it."""
        found: ImageRef = first_image(files, ((f"{self.info.folder}/images", name), (self.info.folder, name)))
        return found

    def source_ids(self, name: str) -> tuple[str, ...]:
        """None: web pictures have no name across sets."""
        return ()


class CC595K(_Pairs):
    """Stage 1 of LLaVA."""

    info = SetInfo(
        name="cc595k",
        title="CC3M, concept-balanced 595K",
        splits={"train": 595_000},  # LLaVA section 4.2
        rounded=frozenset({"train"}),
        licence="CC3M licence",
        url=f"{_HUB}/LLaVA-CC3M-Pretrain-595K",
        folder="cc595k",
        annotations={"train": (("chat.json",),)},
        images=("cc595k/images",),
        train_split="train",
        mirror_safe=True,
    )


class LCS558K(_Pairs):
    """Stage 1 of LLaVA-1.5."""

    info = SetInfo(
        name="lcs558k",
        title="LAION, CC and SBU with BLIP captions, 558K",
        splits={"train": 558_000},  # Improved Baselines, table 9
        rounded=frozenset({"train"}),
        licence="licences of LAION, CC3M and SBU",
        url=f"{_HUB}/LLaVA-Pretrain",
        folder="lcs558k",
        annotations={"train": (("blip_laion_cc_sbu_558k.json",),)},
        images=("lcs558k/images",),
        train_split="train",
        mirror_safe=True,
    )
