"""How work is carried out: rows over chunks and devices, processes, files, provenance."""

from .files import replace_file as replace_file, write_json as write_json, write_text as write_text
from .hosts import Hosts as Hosts
from .reading import (
    read_arrays as read_arrays,
    read_json as read_json,
    reading as reading,
    seal_of as seal_of,
    sealed as sealed,
    sealed_arrays as sealed_arrays,
)
from .rows import chunk_rows as chunk_rows, in_chunks as in_chunks, map_rows as map_rows
