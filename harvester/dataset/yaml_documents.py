"""The descriptions of a release in YAML: a file of the Citation File Format 1.2, and the front matter of a card. Pure.

https://citation-file-format.github.io and https://huggingface.co/docs/hub/datasets-cards
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from harvester.dataset import citation
from harvester.dataset.read import best_file

if TYPE_CHECKING:
    from harvester.dataset.about import Creator
    from harvester.dataset.release import Release

_SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
)
_LARGEST = "n>1B"


def citation_file(release: Release, version: str) -> str:
    """Return the text of `CITATION.cff`."""
    about = release.about
    told: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use this dataset, please cite it as below.",
        "type": "dataset",
        "title": citation.title(release),
        "abstract": citation.summary(release),
        "authors": [_author(one) for one in citation.creators(release)],
        "version": version,
        "date-released": citation.published(release).isoformat(),
    }
    if about.doi is not None:
        told |= {"doi": about.doi, "url": citation.doi_url(release)}
    if about.contact is not None:
        addresses = {"email": about.contact.email, "website": about.contact.url}
        told["contact"] = [{"name": about.contact.name, **{key: one for key, one in addresses.items() if one}}]
    if isinstance(about.licence, str):
        told["license"] = about.licence
    elif about.licence is not None:
        told["license-url"] = about.licence.url
    return _yaml(told | {"keywords": citation.keywords(release)})


def _author(creator: Creator) -> dict[str, str]:
    if creator.name is not None:
        return {"name": creator.name} | ({} if creator.ror is None else {"website": creator.ror})
    author = {"family-names": creator.family or "", "given-names": creator.given or ""}
    if creator.orcid is not None:
        author["orcid"] = f"https://orcid.org/{creator.orcid}"
    return author if creator.affiliation is None else author | {"affiliation": creator.affiliation}


def front_matter(release: Release) -> str:
    """Return what stands before the text of `README.md`, so that the folder is a dataset of the Hub as it is."""
    tables = [(one, best_file(one)) for one in citation.main_tables(release)]
    rows = sum(one.rows for one, _ in tables)
    told: dict[str, Any] = {
        "pretty_name": citation.title(release),
        "license": "other",
        "license_name": "by-date-of-content" if release.sandbox is None else "synthetic-data",
        "license_link": "LICENCE.md",
        "language": ["mul"],
        "size_categories": [next((name for most, name in _SIZES if rows < most), _LARGEST)],
        "tags": [one.replace(" ", "-") for one in citation.keywords(release)],
        "configs": [
            {"config_name": one.name, "data_files": file.path} | ({"default": True} if number == 0 else {})
            for number, (one, file) in enumerate(tables)
            if file is not None
        ],
    }
    return f"---\n{_yaml(told)}---\n"


def _yaml(value: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=10**6)
    return text
