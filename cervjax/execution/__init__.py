"""How work is carried out: rows over chunks and devices, processes, files, provenance."""

from .hosts import (
    Hosts as Hosts,
)
