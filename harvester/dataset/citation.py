"""The facts of a whole release that every description states: title, summary, creators, rights, citation. Pure.

The descriptions, each in its own vocabulary, take these facts from here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from harvester.dataset.about import LICENCES, Creator
from harvester.dataset.release import CC_BY_SA_BEFORE, Profile
from harvester.wording import counted

if TYPE_CHECKING:
    from datetime import date

    from harvester.dataset.release import Field, Release, Resource

NOT_STATED = "not stated"
UNKNOWN = "not known"
OPERATOR = Creator(name="The operator of the harvest")
"""The creator of a release that states none."""

HOLDS = {
    Profile.OPEN: "Ids are keyed pseudonyms, each column has one coarse step in every row, and there is no text and no"
    " link.",
    Profile.RESTRICTED: "Ids are keyed pseudonyms, times are exact, and texts are redacted by rules that do not find"
    " everything.",
    Profile.INTERNAL: "The tables are as they are in the warehouse.",
}
_KEYWORDS = ("scratch", "online community", "children", "remix", "comments")


@dataclass(frozen=True, slots=True)
class Right:
    """A licence, or its absence, and what of a release it is about."""

    name: str
    covers: str
    url: str
    """An address, or a file of the release."""
    spdx: str | None = None


def identifier(release: Release) -> str:
    """Return the name of a release among those of other makers: letters, digits, dashes and dots."""
    kind = "scratch" if release.sandbox is None else "synthetic"
    return f"{kind}-community-{release.profile}-{release.name}"


def title(release: Release) -> str:
    """Return the full title of a release."""
    kind = release.about.title
    if release.sandbox is None:
        kind = kind or "Scratch community data"
    elif kind is None or "synthetic" not in kind.casefold():
        kind = "Synthetic community data" if kind is None else f"Synthetic data: {kind}"
    return f"{kind} {release.name} ({release.profile})"


def summary(release: Release) -> str:
    """Return a release in one paragraph."""
    tables = main_tables(release)
    source = "The public Scratch community" if release.sandbox is None else release.source_title
    return (
        f"{source}, as harvested: {counted(sum(one.rows for one in tables), 'row')} in"
        f" {counted(len(tables), 'table')}, as of {release.as_of:%Y-%m-%d %H:%M} UTC."
        f" Profile {release.profile}: {HOLDS[release.profile]}"
    )


def labelled(release: Release, text: str) -> str:
    """Return a description that is read by itself, with a label before it if the data is synthetic."""
    return text if release.sandbox is None else f"Synthetic data: {text}"


def meaning(release: Release, field: Field) -> str:
    """Return the description of a column, which catalogues show by itself: its comment, and what was done to it."""
    return labelled(release, field.comment if field.treatment is None else f"{field.comment} {field.treatment}")


def is_extra(resource: Resource) -> bool:
    """Return whether a table holds no data of its own: a teaser, the list of withdrawn rows, or the bias of others."""
    return resource.name in ("withdrawn", "bias") or any(file.path.startswith("teaser/") for file in resource.files)


def main_tables(release: Release) -> list[Resource]:
    """Return the tables of a release that are not extra."""
    return [one for one in release.resources if not is_extra(one)]


def keywords(release: Release) -> list[str]:
    """Return subjects to find a release by."""
    return [*_KEYWORDS] if release.sandbox is None else [*_KEYWORDS, "synthetic data"]


def creators(release: Release) -> tuple[Creator, ...]:
    """Return the creators in the order of citation, or the operator if none is stated."""
    return release.about.creators or (OPERATOR,)


def publisher(release: Release) -> str:
    """Return the publisher, or that none is stated."""
    return release.about.publisher or NOT_STATED


def published(release: Release) -> date:
    """Return the day of publication, or that of the release's state if none is stated."""
    return release.about.published or release.as_of.date()


def doi_url(release: Release) -> str | None:
    """Return the address of the DOI; None if no DOI is stated."""
    return None if release.about.doi is None else f"https://doi.org/{release.about.doi}"


def contact(release: Release) -> str:
    """Return whom to ask: as stated, or else the contact that the crawl announced to the site."""
    if release.about.contact is not None:
        return str(release.about.contact)
    return str(release.provenance.get("contact") or UNKNOWN)


def rights(release: Release) -> tuple[Right, ...]:
    """Return the licences of a release: that of its makers if one is stated, then those of what people made."""
    stated = release.about.licence
    made: tuple[Right, ...] = ()
    if isinstance(stated, str):
        made = (Right(LICENCES[stated], "the selection and the descriptions", _spdx_url(stated), stated),)
    elif stated is not None:
        made = (Right(stated.name, "the selection and the descriptions", stated.url),)
    if release.sandbox is not None:
        return (
            *made,
            Right("Synthetic data, without restriction", "the rows, which a program generated", "LICENCE.md"),
        )
    return (
        *made,
        Right(
            "Creative Commons Attribution-ShareAlike 2.0",
            f"content from before {CC_BY_SA_BEFORE}",
            _spdx_url("CC-BY-SA-2.0"),
            "CC-BY-SA-2.0",
        ),
        Right("No known licence", f"content from {CC_BY_SA_BEFORE} on", "LICENCE.md"),
    )


def _spdx_url(licence: str) -> str:
    return f"https://spdx.org/licenses/{licence}.html"


def citation(release: Release) -> str:
    """Return the reference to a release: creators (year): title. Publisher. Dataset. Identifier."""
    makers = "; ".join(one.full_name for one in creators(release))
    parts = [f"{makers} ({published(release).year}): {title(release)}"]
    if release.about.publisher is not None:
        parts.append(release.about.publisher)
    harvester = release.provenance.get("harvester")
    parts.append("Dataset" if harvester is None else f"Dataset, made with scratch-harvester {harvester}")
    reference = ". ".join(part.rstrip(".") for part in parts) + "."
    address = doi_url(release)
    return reference if address is None else f"{reference} {address}"
