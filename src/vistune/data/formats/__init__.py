"""Conversation formats: turns as text, and which of it is learned from."""

from vistune.data.formats.jinja import chat_template_of
from vistune.data.formats.registry import CHAT_TEMPLATE, FORMATS, NONE, format_names, get_format
from vistune.data.formats.spans import ConversationFormat, Span, Turn, text_of

__all__ = [
    "CHAT_TEMPLATE",
    "FORMATS",
    "NONE",
    "ConversationFormat",
    "Span",
    "Turn",
    "chat_template_of",
    "format_names",
    "get_format",
    "text_of",
]
