"""A release as a Frictionless Data Package 2.0. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harvester.dataset import citation
from harvester.dataset.documents import addresses
from harvester.dataset.release import Type

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
MEDIA = {
    "csv.gz": "text/csv",
    "parquet": "application/vnd.apache.parquet",
    "jsonl.gz": "application/jsonl",
}


def data_package(release: Release, version: str) -> dict[str, Any]:
    """Return the descriptor; each file is a resource, since a resource has one format."""
    identifier = citation.doi_url(release)
    return {
        "$schema": PROFILE,
        "name": citation.identifier(release),
        **({} if identifier is None else {"id": identifier, "homepage": identifier}),
        "title": citation.title(release),
        "description": citation.summary(release),
        "version": version,
        "created": release.as_of.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "keywords": citation.keywords(release),
        "licenses": [_licence(one) for one in citation.rights(release)],
        "sources": [{"title": release.source_title, "path": one, "version": release.name} for one in addresses(release)]
        or [{"title": release.source_title, "version": release.name}],
        "contributors": _contributors(release),
        "resources": [entry for one in release.resources for entry in _entries(release, one)],
    }


def _licence(right: citation.Right) -> dict[str, str]:
    named = {} if right.spdx is None else {"name": right.spdx}
    return named | {"title": f"{right.name}: {right.covers}", "path": right.url}


def _contributors(release: Release) -> list[dict[str, Any]]:
    made = []
    for one in citation.creators(release):
        entry: dict[str, Any] = {"title": one.full_name, "roles": ["creator"]}
        if one.given is not None and one.family is not None:
            entry |= {"givenName": one.given, "familyName": one.family}
        if one.orcid is not None or one.ror is not None:
            entry["path"] = one.ror or f"https://orcid.org/{one.orcid}"
        if one.affiliation is not None:
            entry["organization"] = one.affiliation
        made.append(entry)
    return [*made, {"title": citation.contact(release), "roles": ["contactPerson"]}]


def resource_name(resource: Resource, file: File) -> str:
    """Return a file's name as a resource: the name of the table if it is tabular, else the name with its format."""
    return resource.name if file.format == _TABULAR else f"{resource.name}.{file.format.removesuffix('.gz')}"


def _entries(release: Release, resource: Resource) -> list[dict[str, Any]]:
    entries = []
    for file in resource.files:
        entry: dict[str, Any] = {
            "name": resource_name(resource, file),
            "path": file.path,
            "title": resource.name,
            "description": citation.labelled(release, resource.comment),
            "format": file.format.removesuffix(".gz"),
            "mediatype": MEDIA[file.format],
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
                "schema": _schema(release, resource),
            }
        else:
            entry["type"] = "file"
        entries.append(entry)
    return entries


def _schema(release: Release, resource: Resource) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "fieldsMatch": "exact",
        "fields": [_field(release, one) for one in resource.fields],
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


def _field(release: Release, field: Field) -> dict[str, Any]:
    description = citation.meaning(release, field)
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
