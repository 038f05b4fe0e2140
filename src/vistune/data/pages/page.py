"""The frame of a page."""

from __future__ import annotations

from html import escape


def html_page(title: str, style: str, body: str) -> str:
    """A whole HTML file.

    Args:
        title: as text. style: CSS. body: HTML, everything from data in it escaped.
    """
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" '
        f'content="light dark"><title>{escape(title)}</title><style>{style}</style></head>'
        f"<body><main>{body}</main></body></html>\n"
    )
