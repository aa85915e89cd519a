"""A release as an RO-Crate 1.2: its files and their makers as linked data. Pure.

https://www.researchobject.org/ro-crate/specification/1.2/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harvester.dataset import citation
from harvester.dataset.datapackage import MEDIA
from harvester.dataset.documents import descriptions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from harvester.dataset.about import Creator, Funding
    from harvester.dataset.release import File, Release, Resource

CRATE = "ro-crate-metadata.json"
CONFORMS_TO = "https://w3id.org/ro/crate/1.2"
_TYPES_OF_DOCUMENTS = {
    ".md": "text/markdown",
    ".json": "application/json",
    ".cff": "application/yaml",
    ".ipynb": "application/x-ipynb+json",
    ".R": "text/x-r-source",
}

_PUBLISHER = "#publisher"
_CONTACT = "#contact"
_DOI = "#doi"
_DOIS = "https://registry.identifiers.org/registry/doi"

Entity = dict[str, Any]


def ro_crate(release: Release, version: str) -> dict[str, Any]:
    """Return the JSON-LD document."""
    descriptor = {
        "@id": CRATE,
        "@type": "CreativeWork",
        "conformsTo": {"@id": CONFORMS_TO},
        "about": {"@id": "./"},
    }
    files = [*_data_files(release), *_documents(release)]
    others = {one["@id"]: one for one in _contexts(release)}
    root = _root(release, version, files)
    return {"@context": f"{CONFORMS_TO}/context", "@graph": [descriptor, root, *files, *others.values()]}


def _root(release: Release, version: str, files: list[Entity]) -> Entity:
    about = release.about
    root: Entity = {
        "@id": "./",
        "@type": "Dataset",
        "name": citation.title(release),
        "description": citation.summary(release),
        "identifier": citation.identifier(release) if about.doi is None else {"@id": _DOI},
        "version": version,
        "datePublished": citation.published(release).isoformat(),
        "license": _links([one.url for one in citation.rights(release)]),
        "creator": _links([_id_of(*one) for one in _creators(release)]),
        "creditText": citation.citation(release),
        "keywords": ", ".join(citation.keywords(release)),
        "hasPart": [{"@id": one["@id"]} for one in files],
    }
    if about.publisher is not None:
        root["publisher"] = {"@id": _PUBLISHER}
    if about.contact is not None:
        root["contactPoint"] = {"@id": _CONTACT}
    if about.funding:
        root["funding"] = _links([f"#award-{number}" for number, _ in enumerate(about.funding, 1)])
        root["funder"] = _links(list(dict.fromkeys(_funder(*one) for one in enumerate(about.funding, 1))))
    return root


def _links(ids: list[str]) -> dict[str, str] | list[dict[str, str]]:
    links = [{"@id": one} for one in ids]
    return links[0] if len(links) == 1 else links


def _creators(release: Release) -> Iterator[tuple[int, Creator]]:
    return enumerate(citation.creators(release), 1)


def _id_of(number: int, creator: Creator) -> str:
    if creator.orcid is not None:
        return f"https://orcid.org/{creator.orcid}"
    return creator.ror or f"#creator-{number}"


def _funder(number: int, funding: Funding) -> str:
    return funding.ror or f"#funder-{number}"


def _data_files(release: Release) -> Iterator[Entity]:
    for resource in release.resources:
        for file in resource.files:
            yield _data_file(release, resource, file)


def _data_file(release: Release, resource: Resource, file: File) -> Entity:
    return {
        "@id": file.path,
        "@type": "File",
        "name": f"{resource.name} ({file.format})",
        "description": citation.labelled(release, resource.comment),
        "encodingFormat": MEDIA[file.format],
        "contentSize": str(file.bytes),
        "sha256": file.sha256,
    }


def _documents(release: Release) -> Iterator[Entity]:
    for path, what in descriptions(release).items():
        if path != CRATE:
            # LICENCE.md is what `license` of the root refers to, which has to be a work.
            kind: Any = ["File", "CreativeWork"] if path == "LICENCE.md" else "File"
            suffix = path[path.rfind(".") :] if "." in path else ""
            yield {
                "@id": path,
                "@type": kind,
                "name": path,
                "description": citation.labelled(release, what),
                "encodingFormat": _TYPES_OF_DOCUMENTS.get(suffix, "text/plain"),
            }


def _contexts(release: Release) -> Iterator[Entity]:
    """Yield the entities that the root refers to and that are no files."""
    about = release.about
    for number, creator in _creators(release):
        identifier = _id_of(number, creator)
        if creator.name is not None:
            yield _stated({"@id": identifier, "@type": "Organization", "name": creator.name, "url": creator.ror})
            continue
        names = {"name": creator.full_name, "givenName": creator.given, "familyName": creator.family}
        place = None if creator.affiliation is None else f"#affiliation-{number}"
        affiliation = None if place is None else {"@id": place}
        yield _stated({"@id": identifier, "@type": "Person", **names, "affiliation": affiliation})
        if place is not None:
            yield {"@id": place, "@type": "Organization", "name": creator.affiliation}
    for right in citation.rights(release):
        if right.url.startswith("https://"):  # the others are files of the release
            yield {"@id": right.url, "@type": "CreativeWork", "name": right.name, "description": f"For {right.covers}."}
    reach = None if about.contact is None else {"@id": _CONTACT}
    if about.publisher is not None:
        yield _stated({"@id": _PUBLISHER, "@type": "Organization", "name": about.publisher, "contactPoint": reach})
    if about.contact is not None:
        addresses = {"email": about.contact.email, "url": about.contact.url}
        yield _stated({"@id": _CONTACT, "@type": "ContactPoint", "name": about.contact.name, **addresses})
    if about.doi is not None:
        address = citation.doi_url(release)
        value = {"name": "DOI", "propertyID": _DOIS, "value": f"doi:{about.doi}", "url": address}
        yield {"@id": _DOI, "@type": "PropertyValue", **value}
    for number, one in enumerate(about.funding, 1):
        funder = _funder(number, one)
        award = {"name": one.title or one.award or str(one), "identifier": one.award, "url": one.url}
        yield _stated({"@id": f"#award-{number}", "@type": "Grant", **award, "funder": {"@id": funder}})
        yield _stated({"@id": funder, "@type": "Organization", "name": one.funder, "url": one.ror})


def _stated(entity: Entity) -> Entity:
    return {key: value for key, value in entity.items() if value is not None}
