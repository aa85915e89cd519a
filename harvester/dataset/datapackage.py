"""A release as a Frictionless Data Package 2.0. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harvester.dataset.documents import addresses, known, summary, title
from harvester.dataset.release import CC_BY_SA_BEFORE, Type

if TYPE_CHECKING:
    from harvester.dataset.release import Field, File, Release, Resource

PROFILE = "https://datapackage.org/profiles/2.0/datapackage.json"

_TYPES = {
    Type.STRING: "string",
    Type.INTEGER: "integer",
    Type.NUMBER: "number",
    Type.BOOLEAN: "boolean",
    Type.DATE: "date",
    Type.MONTH: "yearmonth",
    Type.TIME: "datetime",
    Type.JSON: "string",  # an object or a list, as text in every format
}
_TABULAR = "csv.gz"  # what a Table Schema describes; Parquet brings its own schema, and types of JSON are what they are
_MEDIA = {
    "csv.gz": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "jsonl.gz": "application/jsonl",
}


_LICENCE = {
    "name": "CC-BY-SA-2.0",
    "title": f"Content from before {CC_BY_SA_BEFORE}; none is known for later content: see LICENCE.md",
    "path": "https://creativecommons.org/licenses/by-sa/2.0/",
}
_SYNTHETIC_LICENCE = {"title": "Synthetic data, without restriction: see LICENCE.md", "path": "LICENCE.md"}


def data_package(release: Release, version: str) -> dict[str, Any]:
    """Return the descriptor; each file is a resource, since a resource has one format."""
    return {
        "$schema": PROFILE,
        "name": f"scratch-community-{release.profile}-{release.name}",
        "title": title(release),
        "description": summary(release),
        "version": version,
        "created": release.as_of.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "keywords": ["scratch", "online community", "children", "remix", "comments"],
        "licenses": [_LICENCE if release.sandbox is None else _SYNTHETIC_LICENCE],
        "sources": [{"title": release.source_title, "path": one, "version": release.name} for one in addresses(release)]
        or [{"title": release.source_title, "version": release.name}],
        "contributors": [
            {
                "title": "The operator of the harvest",
                "roles": ["dataCollector", "contactPerson"],
                "organization": known(release, "contact"),
            }
        ],
        "resources": [entry for one in release.resources for entry in _entries(one)],
    }


def resource_name(resource: Resource, file: File) -> str:
    """Return a file's name as a resource: the name of the table if it is tabular, else the name with its format."""
    return resource.name if file.format == _TABULAR else f"{resource.name}.{file.format.removesuffix('.gz')}"


def _entries(resource: Resource) -> list[dict[str, Any]]:
    entries = []
    for file in resource.files:
        entry: dict[str, Any] = {
            "name": resource_name(resource, file),
            "path": file.path,
            "title": resource.name,
            "description": resource.comment,
            "format": file.format.removesuffix(".gz"),
            "mediatype": _MEDIA[file.format],
            "bytes": file.bytes,
            "hash": f"sha256:{file.sha256}",
        }
        if file.format == _TABULAR:
            entry |= {
                "type": "table",
                "encoding": "utf-8",
                "compression": "gz",
                "rows": resource.rows,
                "dialect": {"delimiter": ",", "header": True},
                "schema": _schema(resource),
            }
        else:
            entry["type"] = "file"
        entries.append(entry)
    return entries


def _schema(resource: Resource) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "fieldsMatch": "exact",
        "fields": [_field(one) for one in resource.fields],
        "missingValues": [""],
    }
    if resource.primary_key:
        schema["primaryKey"] = list(resource.primary_key)
    keys = []
    for key in resource.foreign_keys:
        # "" is the table itself
        name = "" if key.resource == resource.name else key.resource
        keys.append({"fields": list(key.fields), "reference": {"resource": name, "fields": list(key.referred)}})
    if keys:
        schema["foreignKeys"] = keys
    return schema


def _field(field: Field) -> dict[str, Any]:
    description = field.comment if field.treatment is None else f"{field.comment} {field.treatment}"
    entry: dict[str, Any] = {"name": field.name, "type": _TYPES[field.type], "description": description}
    if field.type is Type.TIME:
        entry["format"] = "default"
    constraints: dict[str, Any] = {"required": True} if field.required else {}
    if field.categories:
        constraints["enum"] = list(field.categories)
        entry["categories"] = list(field.categories)
    if constraints:
        entry["constraints"] = constraints
    return entry
