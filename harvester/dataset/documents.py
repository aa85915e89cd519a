"""The documents of a release that people read, in Markdown and as code. Pure: a release in, texts out, no clock."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from string import Template
from typing import TYPE_CHECKING, Any

from harvester.dataset.citation import (
    HOLDS,
    NOT_STATED,
    UNKNOWN,
    citation,
    contact,
    creators,
    labelled,
    main_tables,
    rights,
    summary,
    title,
)
from harvester.dataset.release import CC_BY_SA_BEFORE, COUNTERS, HISTORY, SOURCES, Profile
from harvester.dataset.start import NOTEBOOK, SCRIPT, start_files
from harvester.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harvester.dataset.release import Release

_OPEN_TO = {
    Profile.OPEN: "Anybody.",
    Profile.RESTRICTED: "Only people who signed an agreement with the operator not to identify anybody, not to pass"
    " it on, to protect it, and to delete it when their work is done.",
    Profile.INTERNAL: "Nobody outside the operator's own team.",
}
_IDENTIFY = {
    Profile.OPEN: "Not directly: names, ids, links and texts are absent or replaced by pseudonyms, times and counts are"
    " coarse. Somebody who holds the whole public site could still recognise unusual people by the shape of what they"
    " did. Each column was made coarser by one step for the whole table, and rows whose values fewer than k people"
    " share were suppressed; the weights of the other rows make up for them:",
    Profile.RESTRICTED: "With effort, yes: exact times and redacted texts can be matched with the public site. That is"
    " why an agreement is needed.",
    Profile.INTERNAL: "Yes: usernames and ids are in it.",
}
_IDENTIFY_BY_SOURCE = (
    " This holds most of all for sources: whoever downloads the public source of a project can count its blocks, and"
    " those counts are a fingerprint. A source whose counts no other source has leads to its project, and so to its"
    " author; the structure of the scripts tells still more apart. Names, literals, comments and pictures are not in"
    " this release, but the project that was found shows them. Of the sources in this release:"
)
_IDENTIFY_BY_COUNTERS = (
    " Counters over time identify projects: whoever recorded the views, loves, favorites and remixes of the public"
    " projects can look for the one with the same numbers, and so for its author. How many projects of this release"
    " have counters that no other has, now and over time, is stated below."
)
_UPSET = {
    Profile.OPEN: "Hardly by reading it: there is no text.",
    Profile.RESTRICTED: "Yes: comments are as they were written, save for what was redacted.",
    Profile.INTERNAL: "Yes: texts are as they were written.",
}
_HISTORY = {
    Profile.RESTRICTED: "Yes: counters, revisions, intervals of memberships, follows and favorites, and rankings. Each"
    " change is dated by two reads. Of texts that were replaced since, only features are here, where this release has"
    " texts: their authors took the words back.",
    Profile.INTERNAL: "Yes: counters, revisions with their words, intervals of memberships, follows and favorites, and"
    " rankings. Each change is dated by two reads.",
}
_SENSITIVE = {
    Profile.OPEN: "",
    Profile.RESTRICTED: ", but people may have written about anything",
    Profile.INTERNAL: ", but people may have written about anything",
}
_LICENCE = {
    Profile.OPEN: "This profile holds no text, title or project, only facts about them. No right beyond that in the law"
    " is granted or claimed for their selection.",
    Profile.RESTRICTED: "This profile holds redacted texts. Whoever received it is bound by the agreement they signed,"
    " and may not publish texts whose `licence` is empty.",
    Profile.INTERNAL: "This profile is not meant to leave the operator's team; no licence to it is granted.",
}

_SCHEMA_NOTE = (
    "Every format holds the same columns in the same order. Files are sorted by the key. Times are UTC; an empty value"
    " means that nothing is known, or, outside profile open, that it was taken out."
)
_COVERAGE_NOTE = (
    "What is absent from this release is absent from the world only where a list was read whole and certified. A list"
    " without a certificate may have more items than are here."
)
_SYNTHETIC = (
    "A program generated every row. No person made or wrote any of it, and no figure of it says anything about Scratch."
    " What follows describes the form of the data as if it were harvested from the site."
)
_NO_DESIGN = (
    "A part: what the operator put in scope, and what was met from there. No probability design was used, so no figure"
    " of it estimates one of the whole site."
)


_DESCRIPTIONS = {
    "README.md": "what it is and how to cite it; the dataset card of the Hub",
    "SCHEMA.md": "every table and column, with keys",
    "DATASHEET.md": "how it came to be, what it is fit for, and what it must not be used for",
    "COVERAGE.md": "what is complete, what is not, what is missing",
    "CHANGELOG.md": "what differs from the release before",
    "LICENCE.md": "what may be done with it",
    "CITATION.cff": "how to cite it, for reference managers: Citation File Format 1.2",
    "datacite.json": "what a repository registers with a DOI: DataCite 4.6",
    "datapackage.json": "tables, columns and keys for machines: Frictionless Data Package 2.0",
    "croissant.json": "the same for machine learning: MLCommons Croissant 1.1",
    "ro-crate-metadata.json": "files and makers as linked data: RO-Crate 1.2",
    "manifest.json": "everything that is known of this release, with size and SHA-256 of each file",
    "SHA256SUMS": "`sha256sum -c SHA256SUMS` checks that nothing was damaged",
}
_STARTS = {
    NOTEBOOK: "load it in pandas, Polars and DuckDB: an estimate with its error, and a plot",
    SCRIPT: "the same in R",
}


def descriptions(release: Release) -> dict[str, str]:
    """Return what each descriptive file of a release is, by its name."""
    return {**_DESCRIPTIONS, **{name: _STARTS[name] for name in start_files(release)}}


def documents(release: Release) -> dict[str, str]:
    """Return each document by its file name; `README.md` lacks the front matter of the card."""
    return {
        "CHANGELOG.md": _changelog(release),
        "COVERAGE.md": _coverage(release),
        "DATASHEET.md": _datasheet(release),
        "LICENCE.md": _licence(release),
        "README.md": _readme(release),
        "SCHEMA.md": _schema(release),
        **start_files(release),
    }


def _figures(release: Release) -> str:
    """Say how figures with noise are read; empty for a release without such."""
    told = release.privacy
    if not told:
        return ""
    return _fill("figures.md", epsilon=_text(told["epsilon"]), delta=_text(told["delta"])) + "\n"


def _privacy(release: Release) -> str:
    """State the budget of differential privacy, whole and by statistic; empty for a release without one."""
    told = release.privacy
    if not told:
        return ""
    columns = {
        "statistic": "statistic",
        "a_person_changes": "a person changes at most",
        "distance": "distance",
        "share": "share of the budget",
        "epsilon_alone": "epsilon by itself",
        "noise_scale": "noise scale",
        "error_95": "error (95%)",
    }
    rows = [[one[name] for name in columns] for one in told["statistics"]]
    return (
        _fill(
            "privacy.md",
            epsilon=_text(told["epsilon"]),
            delta=_text(told["delta"]),
            neighbours=told["neighbours"],
            statistics=table(list(columns.values()), rows),
        )
        + "\n"
    )


def _licence(release: Release) -> str:
    made = _licence_of_makers(release)
    if release.sandbox is not None:
        return _fill("LICENCE-synthetic.md", sandbox=release.sandbox, licence_makers=made)
    return _fill(
        "LICENCE.md",
        licence_changed=CC_BY_SA_BEFORE.isoformat(),
        licence_profile=_LICENCE[release.profile],
        licence_makers=made,
    )


def _licence_of_makers(release: Release) -> str:
    if release.about.licence is None:
        return (
            "Its makers state no licence of their own. The descriptions (this file and the other documents) may be"
            " copied freely with the release."
        )
    made = rights(release)[0]
    return f"For {made.covers} its makers grant: [{_text(made.name)}]({made.url})."


def known(release: Release, key: str) -> str:
    """Return a fact of the provenance, or words that say it is not known."""
    value = release.provenance.get(key)
    return UNKNOWN if value in (None, "", [], {}) else _text(value)


def addresses(release: Release) -> list[str]:
    """Return the addresses of the API that the release was harvested from; none where they are not known."""
    return [one for one in known(release, "api").split(", ") if one.startswith(("http://", "https://"))]


def table(headers: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a Markdown table with numbers aligned right; a dash for what is not known."""
    rows = [list(row) for row in rows]
    numeric = [all(_is_number(row[n]) or row[n] is None for row in rows) for n in range(len(headers))]
    lines = [
        [_words(one) for one in headers],
        ["--:" if one and rows else "---" for one in numeric],
        *([_text(cell, header) for header, cell in zip(headers, row, strict=True)] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_label(key: str) -> bool:
    """Return whether the numbers under a key are names, as years and ids are, which get no separators."""
    return key in {"year", "id", "seed", "of_design"} or key.endswith("_id")


def facts(value: Any, level: int = 2) -> str:
    """Write nested facts as headings, lists and tables, in their own order."""
    if isinstance(value, Mapping):
        flat = [(key, one) for key, one in value.items() if not _is_nested(one)]
        parts = ["\n".join(f"- {_words(key)}: {_text(one, key)}" for key, one in flat)] if flat else []
        for key, one in value.items():
            if _is_nested(one):
                parts.append(f"{'#' * min(level, 6)} {_words(key).capitalize()}\n\n{facts(one, level + 1)}")
        return "\n\n".join(parts)
    if _is_nested(value):
        if all(isinstance(one, Mapping) for one in value):
            headers = list(dict.fromkeys(key for one in value for key in one))
            return table(headers, [[one.get(key) for key in headers] for one in value])
        return "\n".join(f"- {_text(one)}" for one in value)
    return _text(value)


def _is_nested(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple) and bool(value)


def _words(key: object) -> str:
    return str(key).replace("_", " ")


def _text(value: Any, key: str = "") -> str:
    """Return a value for a cell or a sentence: on one line, with Markdown escaped; `key` is what it is called."""
    match value:
        case None | "" | [] | {} | ():
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return str(value) if _is_label(key) else f"{value:,}"
        case float():
            return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
        case list() | tuple():
            return ", ".join(_text(one, key) for one in value)
        case Mapping():
            return json.dumps(value, default=str)
    return " ".join(str(value).split()).replace("|", "\\|")


def _fill(name: str, **values: str) -> str:
    template = resources.files("harvester.dataset").joinpath("templates", name).read_text(encoding="utf-8")
    return Template(template).substitute(values)


def _resource_table(release: Release) -> str:
    return table(
        ["table", "rows", "one row is" if release.sandbox is None else "one row of synthetic data is"],
        [(f"`{one.name}`", one.rows, one.comment) for one in release.resources],
    )


def _readme(release: Release) -> str:
    return _fill(
        "README.md",
        title=title(release),
        summary=summary(release),
        files=table(["file", "what it is"], [(f"`{name}`", what) for name, what in descriptions(release).items()]),
        resources=_resource_table(release),
        figures=_figures(release),
        citation=_text(citation(release)),
        funding=_funding(release),
        start=_start(release),
    )


def _start(release: Release) -> str:
    """Say which file to open first, and what else there is to read a table with."""
    found = start_files(release)
    if not found:
        return "`SCHEMA.md` tells what the tables are."
    copied = "Copy it before you run it: `harvester dataset verify` notices a notebook that was saved."
    script = "; `Rscript start.R` does the same in R" if SCRIPT in found else ""
    return (
        f"`{NOTEBOOK}` loads a table in pandas, Polars and DuckDB, estimates a share with its error, and draws a plot"
        f"{script}. {copied}"
    )


def _schema(release: Release) -> str:
    parts = [f"# Schema of {title(release)}", _SCHEMA_NOTE]
    meaning = "meaning" if release.sandbox is None else "meaning in these synthetic data"
    headers = ["column", "type", "always there", meaning, "what was done to it"]
    for one in release.resources:
        parts.append(f"## {one.name}\n\n{labelled(release, one.comment)}")
        told = [f"- Rows: {one.rows:,}", f"- Key: {', '.join(f'`{name}`' for name in one.primary_key) or 'none'}"]
        told += [
            f"- ({', '.join(f'`{name}`' for name in key.fields)}) refers to `{key.resource}`"
            f" ({', '.join(f'`{name}`' for name in key.referred)})"
            for key in one.foreign_keys
        ]
        told.append(f"- Files: {', '.join(f'`{file.path}`' for file in one.files)}")
        parts.append("\n".join(told))
        rows = []
        for column in one.fields:
            comment = column.comment
            if column.categories:
                comment += f" One of: {', '.join(column.categories)}."
            rows.append((f"`{column.name}`", column.type.value, column.required, comment, column.treatment))
        parts.append(table(headers, rows))
    return _joined(parts)


_AND_OTHERS = (
    " Others that looked like them there are withdrawn too, so that nobody is known by having left, and may be in this"
    " release under another name."
)


def _changelog(release: Release) -> str:
    parts = [f"# What changed in {title(release)}"]
    if release.previous is None:
        parts.append("This release was compared with none before it.")
    else:
        parts.append(f"Compared with release {release.previous}:")
        told = {key for counts in release.changes.values() for key in counts}
        columns = [key for key in ("added", "changed", "withdrawn") if key in told]
        columns += sorted(told.difference(columns))
        rows = [(f"`{name}`", *(count.get(key) for key in columns)) for name, count in release.changes.items()]
        parts.append(table(["table", *columns], rows) if rows else "What changed was not counted.")
        parts.append(
            "*Withdrawn* rows were in the earlier release and are not in this one: deleted, no longer visible, not seen"
            " lately, or of somebody who asked to be forgotten." + (_AND_OTHERS if release.parameters.get("k") else "")
        )
        if any(one.name == "withdrawn" for one in release.resources):
            parts.append(
                "`withdrawn` lists their pseudonyms in the earlier release. Remove them from it, or delete it."
            )
    return _joined(parts)


def _coverage(release: Release) -> str:
    parts = [
        f"# Coverage of {title(release)}",
        _COVERAGE_NOTE,
    ]
    parts.append(
        facts(release.coverage) if release.coverage else "Nothing was recorded about coverage: take none for granted."
    )
    if release.anonymity and release.profile is Profile.OPEN:
        parts.append(f"## Steps and suppressed rows\n\n{facts(release.anonymity, 3)}")
    return _joined(parts)


def _funding(release: Release) -> str:
    return "; ".join(_text(str(one)) for one in release.about.funding) or NOT_STATED


def _ethics(release: Release) -> str:
    if release.about.ethics is None:
        return "Not stated by the operator, who was asked to name the board and its decision."
    return f"Stated by the operator: {_text(release.about.ethics)}"


def _datasheet(release: Release) -> str:
    first, last = release.provenance.get("first"), release.provenance.get("last")
    runs = release.provenance.get("runs")
    parameters = release.parameters
    treated = [
        (f"`{one.name}.{column.name}`", column.treatment)
        for one in main_tables(release)
        for column in one.fields
        if column.treatment
    ]
    within = parameters.get("seen_within_days")
    bound = UNKNOWN if "seen_within_days" not in parameters else "none" if within is None else counted(within, "day")
    return _fill(
        "DATASHEET.md",
        title=title(release),
        synthetic="" if release.sandbox is None else f"\n**{release.source_title}.** {_SYNTHETIC}\n",
        harvester=f"version {known(release, 'harvester')}",
        contact=_text(contact(release)),
        makers=_text([one.full_name for one in creators(release)]),
        funding=_funding(release),
        ethics=_ethics(release),
        permission=known(release, "permission"),
        api=known(release, "api"),
        resources=_resource_table(release),
        sample="A part: by a probability design, recorded as follows." if release.design else _NO_DESIGN,
        design=facts(release.design, 3),
        seen_within=bound,
        profile=release.profile.value,
        profile_text=HOLDS[release.profile],
        upset=_UPSET[release.profile],
        identify=_identify(release),
        history=_history(release),
        anonymity=facts(release.anonymity, 3) or "Nothing was recorded about suppression.",
        privacy=_privacy(release),
        sensitive=_SENSITIVE[release.profile],
        runs="The number of runs is not known."
        if runs is None
        else f"{counted(runs, 'run')} of the crawl went into it.",
        timeframe=f"From {first} to {last}." if first and last else "The dates of the runs are not known.",
        as_of=f"{release.as_of:%Y-%m-%d %H:%M} UTC",
        preprocessing="Parameters: " + "; ".join(f"{_words(k)} {_text(v)}" for k, v in parameters.items()) + "."
        if parameters
        else "No parameters were recorded.",
        treatments=table(["column", "what was done"], treated) if treated else "None: values are as in the warehouse.",
        redaction=_redaction(release),
        pseudonyms=_pseudonyms(release),
        distribution=_OPEN_TO[release.profile],
    )


def _identify(release: Release) -> str:
    """Say whether a person can be identified, and what adds to that where the release has sources."""
    is_restricted = release.profile is Profile.RESTRICTED
    by_counters = _IDENTIFY_BY_COUNTERS if is_restricted and COUNTERS in release.anonymity else ""
    by_source = _IDENTIFY_BY_SOURCE if is_restricted and SOURCES in release.anonymity else ""
    return _IDENTIFY[release.profile] + by_counters + by_source


def _history(release: Release) -> str:
    """Say whether the release tells how its rows changed, in how many rows and bytes."""
    tables = [one for one in main_tables(release) if one.name in HISTORY]
    if not tables:
        return "No: rows are as they were at one moment."
    size = sum(file.bytes for one in tables for file in one.files)
    return f"{_HISTORY[release.profile]} That takes {sum(one.rows for one in tables):,} rows, {size / 1e6:,.1f} MB."


def _redaction(release: Release) -> str:
    """Describe the measured recall of redaction; empty for a release without redacted text."""
    if release.parameters.get("text") != "redacted":
        return ""
    # Here, for the corpus and the rules are read only where a text was redacted.
    from harvester.dataset import recall  # noqa: PLC0415

    return _fill("redaction.md", recall=recall.table(recall.stated()))


def _pseudonyms(release: Release) -> str:
    if release.profile is Profile.INTERNAL:
        return "are not used: ids are those of the site"
    if release.parameters.get("key") == "project":
        return "are the same in all releases of this project"
    return "differ between releases, which cannot be joined by them"


def _joined(parts: list[str]) -> str:
    return "\n\n".join(part for part in parts if part) + "\n"
