"""Tiny releases of the captioning sets."""

from __future__ import annotations

from tests.data.releases.writing import Expected, Release, Writer


def coco_caption(write: Writer) -> Expected:
    def image(number: int, split: str, *captions: str) -> dict[str, object]:
        folder = "val2014" if split != "train" else "train2014"
        return {
            "filepath": folder,
            "sentids": list(range(len(captions))),
            "filename": f"COCO_{folder}_{number:012d}.jpg",
            "imgid": number,
            "split": split,
            "sentences": [{"tokens": caption.split(), "raw": caption, "imgid": number} for caption in captions],
            "cocoid": number,
        }

    images = [
        image(9, "train", "A cat. ", "Two cats."),
        image(25, "restval", "A dog."),
        image(42, "test", "One.", "1."),
    ]
    write.json("coco/dataset_coco.json", {"images": images, "dataset": "coco"})
    write.coco("train2014/9", "val2014/25", "val2014/42")
    task = "coco_caption"
    first = {"task": task, "images": ("coco/train2014/COCO_train2014_000000000009.jpg",), "source_ids": ("coco:9",)}
    return {
        "train": [
            {"id": "9-0", "target": "A cat.", **first},
            {"id": "9-1", "target": "Two cats.", **first},
            {
                "id": "25-0",
                "task": task,
                "target": "A dog.",
                "images": ("coco/val2014/COCO_val2014_000000000025.jpg",),
                "source_ids": ("coco:25",),
            },
        ],
        "test": [
            {
                "id": "42",
                "task": task,
                "answers": ("One.", "1."),
                "references": ("One.", "1."),
                "images": ("coco/val2014/COCO_val2014_000000000042.jpg",),
                "source_ids": ("coco:42",),
            }
        ],
    }


def web_capfilt(write: Writer) -> Expected:
    rows = [{"url": "http://a/1", "caption": "a red car", "image": "1.jpg"}, {"caption": "a boat", "image": "x/2.jpg"}]
    write.json("web_capfilt/captions.json", rows)
    write.image("web_capfilt/images/1.jpg", "web_capfilt/images/x/2.jpg")
    return {
        "train": [
            {"id": "0", "task": "web_capfilt", "target": "a red car", "images": ("web_capfilt/images/1.jpg",)},
            {"id": "1", "task": "web_capfilt", "target": "a boat", "images": ("web_capfilt/images/x/2.jpg",)},
        ]
    }


def nocaps(write: Writer) -> Expected:
    picture = {
        "id": 0,
        "open_images_id": "0013ea2087020901",
        "file_name": "0013ea2087020901.jpg",
        "coco_url": "https://s3.amazonaws.com/nocaps/val/0013ea2087020901.jpg",
        "domain": "near-domain",
    }
    captions = [{"image_id": 0, "id": number, "caption": text} for number, text in enumerate(("A baby.", "A house."))]
    write.json("nocaps/nocaps_val_4500_captions.json", {"info": {}, "images": [picture], "annotations": captions})
    write.json("nocaps/nocaps_test_image_info.json", {"info": {}, "images": [{**picture, "file_name": "t.jpg"}]})
    write.image("nocaps/val/0013ea2087020901.jpg", "nocaps/test/t.jpg")
    common = {"id": "0", "task": "nocaps", "source_ids": ("openimages:0013ea2087020901",), "parts": ("near-domain",)}
    both = ("A baby.", "A house.")
    return {
        "val": [{**common, "images": ("nocaps/val/0013ea2087020901.jpg",), "answers": both, "references": both}],
        "test": [{**common, "images": ("nocaps/test/t.jpg",)}],
    }


def flickr30k(write: Writer) -> Expected:
    def image(name: str, split: str, *captions: str) -> dict[str, object]:
        sentences = [{"tokens": [], "raw": caption, "imgid": 0, "sentid": 0} for caption in captions]
        return {"sentids": [0], "imgid": 0, "sentences": sentences, "split": split, "filename": f"{name}.jpg"}

    images = [image("1000092795", "train", "Two men.", "A yard."), image("7", "test", "A dog.", "One dog.")]
    write.json("flickr30k/dataset_flickr30k.json", {"images": images, "dataset": "flickr30k"})
    write.image("flickr30k/flickr30k-images/1000092795.jpg", "flickr30k/flickr30k-images/7.jpg")
    train = {
        "task": "flickr30k",
        "images": ("flickr30k/flickr30k-images/1000092795.jpg",),
        "source_ids": ("flickr:1000092795",),
    }
    dogs = ("A dog.", "One dog.")
    return {
        "train": [
            {"id": "1000092795-0", "target": "Two men.", **train},
            {"id": "1000092795-1", "target": "A yard.", **train},
        ],
        "test": [
            {
                "id": "7",
                "task": "flickr30k",
                "images": ("flickr30k/flickr30k-images/7.jpg",),
                "answers": dogs,
                "references": dogs,
                "source_ids": ("flickr:7",),
            }
        ],
    }


def textcaps(write: Writer) -> Expected:
    def row(split: str, key: str, number: int, caption: str) -> dict[str, object]:
        return {
            "image_id": key,
            "image_classes": [],
            "set_name": split,
            "image_name": key,
            "image_path": f"train/{key}",
            "caption_id": number,
            "caption_str": caption,
            "reference_strs": ["A sign.", "It says stop."],
        }

    for split, key in (("train", "00a"), ("val", "00b")):
        rows = [row(split, key, 1, "A sign."), row(split, key, 2, "It says stop.")]
        write.json(f"textcaps/TextCaps_0.1_{split}.json", {"dataset_type": split, "data": rows})
        # Pictures and OCR tokens are those of TextVQA.
        write.image(f"textvqa/train_images/{key}.jpg")
    ocr = {"dataset_version": "0.2", "data": [{"image_id": "00a", "ocr_tokens": ["STOP", "now"], "ocr_info": []}]}
    write.json("textvqa/TextVQA_Rosetta_OCR_v0.2_train.json", ocr)
    train = {
        "task": "textcaps",
        "images": ("textvqa/train_images/00a.jpg",),
        "ocr_tokens": ("STOP", "now"),
        "source_ids": ("openimages:00a",),
    }
    both = ("A sign.", "It says stop.")
    return {
        "train": [{"id": "00a-1", "target": both[0], **train}, {"id": "00a-2", "target": both[1], **train}],
        "val": [
            {
                "id": "00b",
                "task": "textcaps",
                "images": ("textvqa/train_images/00b.jpg",),
                "answers": both,
                "references": both,
                "source_ids": ("openimages:00b",),
            }
        ],
    }


CAPTIONS: dict[str, Release] = {
    "coco_caption": coco_caption,
    "web_capfilt": web_capfilt,
    "nocaps": nocaps,
    "flickr30k": flickr30k,
    "textcaps": textcaps,
}
