"""A release as MLCommons Croissant 1.1, with its vocabularies of responsible use and provenance. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harvester.dataset import citation
from harvester.dataset.documents import addresses, known
from harvester.dataset.read import best_file
from harvester.dataset.release import SOURCES, Profile, Type

if TYPE_CHECKING:
    from harvester.dataset.about import Creator, Funding
    from harvester.dataset.release import Field, File, Release, Resource

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
RAI_CONFORMS_TO = "http://mlcommons.org/croissant/RAI/1.0"

_TYPES = {
    Type.STRING: "sc:Text",
    Type.INTEGER: "sc:Integer",
    Type.NUMBER: "sc:Float",
    Type.BOOLEAN: "sc:Boolean",
    Type.DATE: "sc:Date",
    Type.MONTH: "sc:Text",
    Type.TIME: "sc:DateTime",
    Type.JSON: "sc:Text",
}
_MEDIA = {
    "csv.gz": "text/csv",
    "parquet": "application/x-parquet",  # the name that its readers know
    "jsonl.gz": "application/jsonlines",
}
_CROISSANT_TERMS = """
arrayShape citeAs column containedIn equivalentProperty extract field fileObject fileProperty fileSet format includes
isArray isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate
separator source subField transform
"""
# What Croissant 1.1 declares, and PROV and DUO beside it.
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "duo": "http://purl.obolibrary.org/obo/DUO_",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "description": {"@container": "@language"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    **{term: f"cr:{term}" for term in _CROISSANT_TERMS.split()},
}
# (term of the Data Use Ontology, its name)
_USES = {
    Profile.OPEN: [("0000042", "general research use"), ("0000046", "non-commercial use only")],
    Profile.RESTRICTED: [
        ("0000042", "general research use"),
        ("0000046", "non-commercial use only"),
        ("0000021", "ethics approval required"),
        ("0000026", "user specific restriction"),
    ],
    Profile.INTERNAL: [("0000026", "user specific restriction")],
}


def croissant(release: Release, version: str) -> dict[str, Any]:
    """Return the JSON-LD document."""
    tables = citation.main_tables(release)
    identifier = citation.doi_url(release)
    described: dict[str, Any] = {
        "@context": dict(sorted(_CONTEXT.items())),
        "@type": "sc:Dataset",
        "conformsTo": [CONFORMS_TO, RAI_CONFORMS_TO],
        "name": citation.title(release),
        "description": citation.summary(release),
        "url": f"urn:scratch-harvester:{release.profile}:{release.name}",
        "version": version,
        **({} if identifier is None else {"identifier": identifier}),
        "datePublished": citation.published(release).isoformat(),
        "dateModified": f"{release.as_of:%Y-%m-%d}",
        "creator": [_creator(one) for one in citation.creators(release)],
        "publisher": {"@type": "sc:Organization", "name": citation.publisher(release)},
        **({"funder": [_funder(one) for one in release.about.funding]} if release.about.funding else {}),
        "keywords": citation.keywords(release),
        "inLanguage": "mul",
        "isLiveDataset": False,
        "citeAs": citation.citation(release),
        "license": [_licence(one) for one in citation.rights(release)],
        "usageInfo": [
            {
                "@type": "sc:DefinedTerm",
                "@id": f"duo:{code}",
                "name": name,
                "termCode": f"DUO_{code}",
                "inDefinedTermSet": "http://purl.obolibrary.org/obo/duo.owl",
            }
            for code, name in _USES[release.profile]
        ],
        **_responsible(release),
        **_provenance(release),
        "distribution": [_file(file) for one in release.resources for file in one.files],
        "recordSet": [_record_set(release, one, {other.name for other in tables}) for one in tables],
    }
    return described


def _creator(creator: Creator) -> dict[str, Any]:
    if creator.name is not None:
        known_as = {} if creator.ror is None else {"sameAs": creator.ror}
        return {"@type": "sc:Organization", "name": creator.name, **known_as}
    known_as = {} if creator.orcid is None else {"sameAs": f"https://orcid.org/{creator.orcid}"}
    names = {"givenName": creator.given, "familyName": creator.family}
    return {"@type": "sc:Person", "name": creator.full_name, **names, **known_as}


def _funder(funding: Funding) -> dict[str, str]:
    known_as = {} if funding.ror is None else {"sameAs": funding.ror}
    return {"@type": "sc:Organization", "name": funding.funder, "description": str(funding), **known_as}


def _licence(right: citation.Right) -> str | dict[str, str]:
    if right.spdx is not None:
        return right.url
    return {"@type": "sc:CreativeWork", "name": right.name, "description": f"For {right.covers}.", "url": right.url}


def _responsible(release: Release) -> dict[str, Any]:
    first, last = release.provenance.get("first"), release.provenance.get("last")
    treated = [
        f"{one.name}.{field.name}: {field.treatment}"
        for one in citation.main_tables(release)
        for field in one.fields
        if field.treatment
    ]
    told: dict[str, Any] = {
        "rai:dataCollection": f"{release.source_title}, read list by list; pages overlap, and a full read of a list is"
        " certified by key or identity.",
        "rai:dataCollectionType": ["Web API", "Observational"],
        "rai:dataCollectionMissingData": "What was not visible when last visited, or not visited within the bound, is"
        " left out; people who asked to be forgotten are absent; lists without a certificate may be incomplete. See"
        " COVERAGE.md.",
        "rai:dataPreprocessingProtocol": treated or ["None: values are as in the warehouse."],
        "rai:dataBiases": [
            "Without a probability design what is in it was found from seeds and represents those.",
            "Active people and their surroundings are over-represented wherever links were followed.",
            "Country is what people picked; the first entries of the list are too frequent.",
        ],
        "rai:dataLimitations": [
            "Counters are of the last visit of each row, not of one moment.",
            "Deleted and unshared content is missing on purpose.",
        ],
        "rai:dataUseCases": ["Research on participation, remixing and conversation in an online community."],
        "rai:dataSocialImpact": "Most people in it are children. It must not be used to identify, contact, rank or"
        " profile anybody.",
        "rai:personalSensitiveInformation": ["Age group: mostly minors", "Country as stated", *_personal(release)],
        "rai:dataReleaseMaintenancePlan": "A release is never altered; the next one lists what was withdrawn, and"
        " supersedes it.",
    }
    if first and last:
        told["rai:dataCollectionTimeframe"] = [str(first), str(last)]
    return told


_PERSONAL = {
    Profile.OPEN: ["Pseudonyms instead of names and ids"],
    Profile.RESTRICTED: ["Pseudonyms instead of names and ids", "Texts that were redacted by rules"],
    Profile.INTERNAL: ["Usernames", "Ids", "Texts"],
}
_PERSONAL_OF_SOURCES = {
    Profile.OPEN: [],
    Profile.RESTRICTED: ["Structure of projects, by which they can be recognised"],
    Profile.INTERNAL: ["Projects with what people wrote into them"],
}


def _personal(release: Release) -> list[str]:
    has_sources = any(one.name == SOURCES for one in release.resources)
    return _PERSONAL[release.profile] + (_PERSONAL_OF_SOURCES[release.profile] if has_sources else [])


def _provenance(release: Release) -> dict[str, Any]:
    activity: dict[str, Any] = {
        "@type": "prov:Activity",
        "@id": "harvest",
        "name": "harvest and release",
        "prov:wasAssociatedWith": {
            "@type": "prov:SoftwareAgent",
            "@id": "scratch-harvester",
            "name": f"scratch-harvester {known(release, 'harvester')}",
        },
    }
    for key, term in (("first", "prov:startedAtTime"), ("last", "prov:endedAtTime")):
        if release.provenance.get(key):
            activity[term] = str(release.provenance[key])
    sources = [{"@id": one, "name": release.source_title} for one in addresses(release) or ["urn:scratch:api"]]
    if release.previous is not None:
        # What it replaces, by the name it was given: dct:replaces is the pointer of a superseded release.
        activity["dct:replaces"] = release.previous
    return {"prov:wasDerivedFrom": sources, "prov:wasGeneratedBy": activity}


def _file(file: File) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.path,
        "name": file.path,
        "contentUrl": file.path,
        "contentSize": f"{file.bytes} B",
        "encodingFormat": [_MEDIA[file.format], "application/gzip"]
        if file.format.endswith(".gz")
        else _MEDIA[file.format],
        "sha256": file.sha256,
    }


def _record_set(release: Release, resource: Resource, tables: set[str]) -> dict[str, Any]:
    file = best_file(resource)
    assert file is not None
    record_set: dict[str, Any] = {
        "@type": "cr:RecordSet",
        "@id": resource.name,
        "name": resource.name,
        "description": citation.labelled(release, resource.comment),
        "field": [_field(release, resource, field, file, tables) for field in resource.fields],
    }
    if resource.primary_key:
        record_set["key"] = [{"@id": f"{resource.name}/{name}"} for name in resource.primary_key]
    return record_set


def _field(release: Release, resource: Resource, field: Field, file: File, tables: set[str]) -> dict[str, Any]:
    how = {"jsonPath": f"$.{field.name}"} if file.format == "jsonl.gz" else {"column": field.name}
    entry: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{resource.name}/{field.name}",
        "name": field.name,
        "description": citation.meaning(release, field),
        "dataType": _TYPES[field.type],
        "source": {"fileObject": {"@id": file.path}, "extract": how},
    }
    for key in resource.foreign_keys:
        # A reference is of one field; keys of several are in the data package.
        if key.fields == (field.name,) and key.resource in tables:
            entry["references"] = {"field": {"@id": f"{key.resource}/{key.referred[0]}"}}
    return entry
