"""The type of a connection to the warehouse, which rows come from as tuples."""

from typing import Any

import psycopg

Connection = psycopg.Connection[tuple[Any, ...]]
