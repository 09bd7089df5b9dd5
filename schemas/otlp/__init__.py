"""OTLP records, whatever their encoding and dialect, as traces.

``decode`` reads one record into fragments, ``assemble`` joins the fragments of one trace, ``raw_split`` cuts a record
of several traces into one record each.
"""

from .assembly import assemble
from .fragment import TraceFragment, decode
from .wire import Encoding, raw_split

__all__ = ["Encoding", "TraceFragment", "assemble", "decode", "raw_split"]
