"""Instruction templates: the words of every task group as YAML, and how one is drawn and filled in."""

from vistune.data.templates.draw import draw, draw_answer
from vistune.data.templates.files import STYLES, Style, groups, load_templates
from vistune.data.templates.template import Template
from vistune.data.templates.write import write

__all__ = ["STYLES", "Style", "Template", "draw", "draw_answer", "groups", "load_templates", "write"]
