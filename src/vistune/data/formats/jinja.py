"""The published formats as chat templates, so that a checkpoint asks the way it was trained.

transformers and the servers built on it read them from the folder. Their prompts equal those of the formats.
"""

from __future__ import annotations

import json

from vistune.data.formats.published import ChatMl, Instruct, Plain, Single, Two
from vistune.data.formats.registry import FORMATS, canonical
from vistune.data.formats.spans import ConversationFormat

# What a message says: a string, or parts with types, of which a picture is a mark and a newline.
_WORDS = (
    "{%- macro words(content) -%}{%- if content is string -%}{{ content }}{%- else -%}{%- for part in content -%}"
    "{%- if part['type'] == 'image' -%}{{ '<image>\\n' }}"
    "{%- elif part['type'] == 'text' -%}{{ part['text'] }}{%- endif -%}"
    "{%- endfor -%}{%- endif -%}{%- endmacro -%}"
)
_MARKS = (
    "{%- macro marks(content) -%}{%- if content is string -%}{{ '<image>' * content.count('<image>') }}"
    "{%- else -%}{%- for part in content if part['type'] == 'image' -%}{{ '<image>' }}{%- endfor -%}{%- endif -%}"
    "{%- endmacro -%}"
)


def chat_template_of(format: str, image_token: str = "<image>") -> str | None:
    """A format by name as a Jinja chat template; None for ``none`` and ``chat_template``, which have none of their own.

    A message of the role "system" takes the place of the format's own system prompt.

    Raises:
        RecipeError: no such format.
    """
    kind = FORMATS.get(canonical(format))
    return None if kind is None else _template(kind).replace("<image>", image_token)


def _template(kind: ConversationFormat) -> str:
    said = "words(message['content'])"
    match kind:
        case Plain():
            return _WORDS + _MARKS + _loop("{{ marks(message['content']) }}", f"{{{{ {said} + '\\n' }}}}")
        case Single(system, (user, assistant)):
            return (
                _opening(system, "{{ system + '\\n\\n###' }}")
                + _loop(f"{{{{ ' {user}: ' + {said} + '\\n###' }}}}", f"{{{{ ' {assistant}: ' + {said} + '\\n###' }}}}")
                + _prompt(f" {assistant}:")
            )
        case Two(system, (user, assistant)):
            return (
                _opening(system, "{{ system + ' ' }}")
                + _loop(f"{{{{ '{user}: ' + {said} + ' ' }}}}", f"{{{{ '{assistant}: ' + {said} + eos_token }}}}")
                + _prompt(f"{assistant}:")
            )
        case Instruct(system, with_bos):
            between = "{%- if not place.first -%}{{ bos_token }}{%- endif -%}" if with_bos else ""
            front = "{%- if place.first and system -%}{{ '<<SYS>>\\n' + system + '\\n<</SYS>>\\n\\n' }}{%- endif -%}"
            return _opening(system, "{%- set place = namespace(first=true) -%}") + _loop(
                f"{between}{{{{ '[INST] ' }}}}{front}{{{{ {said} + ' [/INST]' }}}}{{%- set place.first = false -%}}",
                f"{{{{ ' ' + {said} + ' ' + eos_token }}}}",
            )
        case ChatMl(system, start, end):
            return (
                _opening(system, f"{{{{ '{start}system\\n' + system + '{end}' }}}}")
                + _loop(
                    f"{{{{ '{start}user\\n' + {said} + '{end}' }}}}",
                    f"{{{{ '{start}assistant\\n' + {said} + '{end}' }}}}",
                )
                + _prompt(f"{start}assistant\\n")
            )
    raise TypeError(f"There is no chat template for {type(kind).__name__}.")


def _opening(system: str, text: str) -> str:
    return (
        _WORDS
        + "{%- if messages[0]['role'] == 'system' -%}{%- set system = words(messages[0]['content']) -%}"
        + f"{{%- else -%}}{{%- set system = {json.dumps(system)} -%}}{{%- endif -%}}"
        + text
    )


def _loop(user: str, assistant: str) -> str:
    return (
        "{%- for message in messages -%}"
        f"{{%- if message['role'] == 'user' -%}}{user}"
        f"{{%- elif message['role'] == 'assistant' -%}}{assistant}{{%- endif -%}}"
        "{%- endfor -%}"
    )


def _prompt(text: str) -> str:
    return f"{{%- if add_generation_prompt -%}}{{{{ '{text}' }}}}{{%- endif -%}}"
