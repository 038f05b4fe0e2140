"""Replies of judges kept on disk, so that no question is paid for twice."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vistune.data.storage import written_whole
from vistune.evaluate.judge.judges import Reply
from vistune.evaluate.judge.rules import Message


def reply_key(settings: Mapping[str, Any], messages: Sequence[Message], *drawn: str | int) -> str:
    """Hash of all that a reply depends on.

    Args:
        drawn: what tells it from other replies to the same words: question, round, order of the answers.
    """
    content = json.dumps([dict(settings), list(messages), *drawn], sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def default_folder() -> Path:
    """``vistune/judge`` below the user's cache folder."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "vistune" / "judge"


class ReplyCache:
    """A file for each reply, named by its key. Safe with several writers: files appear whole."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> Reply | None:
        """The reply kept, or None; a file that cannot be read counts as none."""
        try:
            return Reply(**json.loads(self._path(key).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def put(self, key: str, reply: Reply) -> None:
        """Keep a reply.

        Raises:
            StorageError: it cannot be written.
        """
        with written_whole(self._path(key)) as path:
            path.write_text(json.dumps(asdict(reply), ensure_ascii=False), encoding="utf-8")

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"
