"""A release in the metadata schema of DataCite 4.6, as its REST API takes it for a DOI. Pure.

https://datacite-metadata-schema.readthedocs.io/en/4.6/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harvester.dataset import citation
from harvester.dataset.datapackage import MEDIA
from harvester.wording import counted

if TYPE_CHECKING:
    from harvester.dataset.about import Creator, Funding
    from harvester.dataset.citation import Right
    from harvester.dataset.release import Release


def datacite(release: Release, version: str) -> dict[str, Any]:
    """Return the attributes of the DOI."""
    files = [file for one in release.resources for file in one.files]
    described: dict[str, Any] = {} if release.about.doi is None else {"doi": release.about.doi}
    described |= {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Records of an online community"},
        "creators": [_creator(one) for one in citation.creators(release)],
        "titles": [{"title": citation.title(release), "lang": "en"}],
        "publisher": {"name": citation.publisher(release)},
        "publicationYear": str(citation.published(release).year),
        "subjects": [{"subject": one, "lang": "en"} for one in citation.keywords(release)],
        "contributors": _contributors(release),
        "dates": _dates(release),
        "alternateIdentifiers": [
            {"alternateIdentifier": citation.identifier(release), "alternateIdentifierType": "Name of the release"}
        ],
        "sizes": [
            counted(sum(one.rows for one in citation.main_tables(release)), "row"),
            counted(sum(file.bytes for file in files), "byte"),
        ],
        "formats": sorted({MEDIA[file.format] for file in files}),
        "version": version,
        "rightsList": [_right(one) for one in citation.rights(release)],
        "descriptions": _descriptions(release),
        "fundingReferences": [_funding(one) for one in release.about.funding],
    }
    return described


def _creator(creator: Creator) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": creator.full_name, "nameType": "Organizational" if creator.name else "Personal"}
    if creator.name is None:
        entry |= {"givenName": creator.given, "familyName": creator.family}
    if creator.orcid is not None:
        entry["nameIdentifiers"] = [_named_by("ORCID", f"https://orcid.org/{creator.orcid}", "https://orcid.org")]
    elif creator.ror is not None:
        entry["nameIdentifiers"] = [_named_by("ROR", creator.ror, "https://ror.org")]
    if creator.affiliation is not None:
        entry["affiliation"] = [{"name": creator.affiliation}]
    return entry


def _named_by(scheme: str, name: str, uri: str) -> dict[str, str]:
    return {"nameIdentifier": name, "nameIdentifierScheme": scheme, "schemeUri": uri}


def _contributors(release: Release) -> list[dict[str, str]]:
    contact = release.about.contact
    return [] if contact is None else [{"name": contact.name, "contributorType": "ContactPerson"}]


def _dates(release: Release) -> list[dict[str, str]]:
    dates = [{"date": citation.published(release).isoformat(), "dateType": "Issued"}]
    first, last = release.provenance.get("first"), release.provenance.get("last")
    if first and last:
        dates.append({"date": f"{first}/{last}", "dateType": "Collected"})
    state = release.as_of.strftime("%Y-%m-%dT%H:%M:%SZ")
    return [*dates, {"date": state, "dateType": "Other", "dateInformation": "State of the data"}]


def _right(right: Right) -> dict[str, str]:
    entry = {"rights": f"{right.name}: {right.covers}", "lang": "en"}
    if right.url.startswith("https://"):
        entry["rightsUri"] = right.url
    if right.spdx is not None:
        entry |= {"rightsIdentifier": right.spdx, "rightsIdentifierScheme": "SPDX", "schemeUri": "https://spdx.org"}
    return entry


def _descriptions(release: Release) -> list[dict[str, str]]:
    tables = " ".join(f"{one.name}: {one.comment}" for one in citation.main_tables(release))
    texts = [("Abstract", citation.summary(release)), ("TableOfContents", citation.labelled(release, tables))]
    if release.about.ethics is not None:
        ethics = f"Ethics: {' '.join(release.about.ethics.split())}"
        texts.append(("Other", citation.labelled(release, ethics)))
    return [{"description": text, "descriptionType": kind, "lang": "en"} for kind, text in texts]


def _funding(funding: Funding) -> dict[str, str]:
    entry = {"funderName": funding.funder}
    if funding.ror is not None:
        entry |= {"funderIdentifier": funding.ror, "funderIdentifierType": "ROR"}
    stated = {"awardNumber": funding.award, "awardTitle": funding.title, "awardUri": funding.url}
    return entry | {name: value for name, value in stated.items() if value is not None}
