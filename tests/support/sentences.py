"""Faults of sentences about numbers."""

from __future__ import annotations

import re

from harvester.report.charts import ENOUGH

VERBS = ("has", "is", "was")


def one_of_many(text: str) -> list[str]:
    """Return each 1 of a text before a plural."""
    found = re.findall(r"(?<![\w.,:/\N{EN DASH}-])1 (?:(?:new|shared|follow) )*(\w+s)\b", text)
    return [word for word in found if word not in VERBS]


def percent_of_few(text: str) -> list[str]:
    """Return each percentage of a text that is of fewer than enough."""
    return [
        f"{share}% of {whole}"
        for share, whole in re.findall(r"(\d+)% of ([\d,]+)(?= )", text)
        if int(whole.replace(",", "")) < ENOUGH
    ]
