"""Messages of every shape that clients write, read into one."""

from .book import MessageBook
from .parsing import parse_json, parse_python
from .results import result_text, unwrap_result
from .shapes import Plain, read_message, read_messages
from .tools import read_tool_definitions

__all__ = [
    "MessageBook",
    "Plain",
    "parse_json",
    "parse_python",
    "read_message",
    "read_messages",
    "read_tool_definitions",
    "result_text",
    "unwrap_result",
]
