"""The parts of a source, read whatever their shape is."""

from __future__ import annotations

import re
from typing import Any

from harvester.source.model import Asset

_ASSET = re.compile(r"[0-9a-f]{32}\.[a-z0-9]{1,4}", re.ASCII)


class Reader:
    """Reads the parts of one source, and counts those that it leaves out."""

    def __init__(self) -> None:
        self.odd = 0

    def list_of(self, value: Any) -> list[Any]:
        if isinstance(value, list):
            return value
        self.odd += value is not None
        return []

    def dict_of(self, value: Any) -> dict[str, Any]:
        if isinstance(value, dict):
            return value
        self.odd += value is not None
        return {}

    def dicts_of(self, value: Any) -> list[dict[str, Any]]:
        items = self.list_of(value)
        dicts = [item for item in items if isinstance(item, dict)]
        self.odd += len(items) - len(dicts)
        return dicts

    def text_of(self, value: Any) -> str:
        if isinstance(value, str):
            return value
        if value is None:
            return ""
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, int):
            return str(value)
        if isinstance(value, float):
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        self.odd += 1
        return ""

    def assets_of(self, value: Any, name: str, file: str) -> tuple[Asset, ...]:
        assets = []
        for asset in self.dicts_of(value):
            served = asset.get(file)
            if served is None and isinstance(asset.get("assetId"), str) and isinstance(asset.get("dataFormat"), str):
                served = f"{asset['assetId']}.{asset['dataFormat']}"
            served = served.lower() if isinstance(served, str) else ""
            assets.append(Asset(self.text_of(asset.get(name)), served if _ASSET.fullmatch(served) else None))
        return tuple(assets)
