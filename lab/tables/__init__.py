"""The papers' tables: our numbers beside the printed ones, with a mark on whatever cannot be
compared.
"""

from .columns import Column
from .comparison import (
    NO_RUN,
    NOT_PRINTED,
    Block,
    Cell,
    Row,
    Table,
    comparable,
    filled,
    listing,
    table,
)
from .evaluations import Group, command
from .writers import WRITERS, csv, latex, markdown, write

__all__ = [
    "NOT_PRINTED",
    "NO_RUN",
    "WRITERS",
    "Block",
    "Cell",
    "Column",
    "Group",
    "Row",
    "Table",
    "command",
    "comparable",
    "csv",
    "filled",
    "latex",
    "listing",
    "markdown",
    "table",
    "write",
]
