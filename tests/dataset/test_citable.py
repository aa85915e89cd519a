"""A release can be cited: each description is valid for its own validator, and all say the same."""

import json
import re
import subprocess
from importlib.resources import files
from pathlib import Path, PurePosixPath

import pytest
import yaml
from made_up_release import ABOUT, DECLARED, SANDBOX, SITE, make_release, rows
from tools import uv

from harvester.dataset.about import Statements
from harvester.dataset.describe import MACHINE_READABLE
from harvester.dataset.release import Profile
from harvester.dataset.verify import verify

KINDS = {
    "of the site, as stated": {"about": ABOUT},
    "of the site, nothing stated": {},
    "of the sandbox, as stated": {"about": ABOUT, "provenance": SANDBOX},
    "of the sandbox, nothing stated": {"provenance": SANDBOX},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    """A release of each kind."""
    places = {kind: tmp_path_factory.mktemp("release") / "release" for kind in KINDS}
    for kind, changes in KINDS.items():
        make_release(places[kind], rows(), **changes)
    return places


@pytest.fixture(params=KINDS)
def folder(request, folders) -> Path:
    return folders[request.param]


def read(folder: Path, name: str):
    text = (folder / name).read_text()
    return json.loads(text) if name.endswith(".json") else yaml.safe_load(text)


def card(folder: Path) -> dict:
    from huggingface_hub import DatasetCard

    return DatasetCard.load(folder / "README.md").data.to_dict()


def check_cff(described: dict) -> None:
    from check_jsonschema.builtin_schemas import get_builtin_schema
    from jsonschema import Draft7Validator, FormatChecker

    schema = get_builtin_schema("vendor.citation-file-format")
    Draft7Validator(schema, format_checker=FormatChecker()).validate(described)


def test_the_citation_file_is_valid(folder):
    described = read(folder, "CITATION.cff")
    check_cff(described)
    assert described["type"] == "dataset"
    with pytest.raises(Exception, match="2026-06"):
        check_cff(described | {"date-released": "2026-06"})


def check_datacite(described: dict) -> None:
    """Check it against the JSON schema of the package `datacite`, and in XML against that of DataCite 4.6."""
    import datacite.schema45
    import validator
    from jsonschema import Draft201909Validator
    from lxml import etree

    text = files("datacite").joinpath("schemas", "datacite-v4.5.json").read_text()
    Draft201909Validator(json.loads(text)).validate(described)
    schema = Path(validator.__file__).parent / "schema" / "metadata.xsd"
    assert "v4.6" in schema.read_text().partition("-->")[0]
    # The converter takes the forms of the API before 2024 for a DOI, which has no list of identifiers.
    etree.XMLSchema(etree.parse(schema)).assertValid(etree.fromstring(datacite.schema45.tostring(described).encode()))


def test_the_metadata_for_a_doi_are_valid(folder):
    described = read(folder, "datacite.json")
    if "doi" not in described:
        described["doi"] = "10.5281/zenodo.1"  # which a registration gives
    check_datacite(described)
    with pytest.raises(Exception, match="Dater"):
        check_datacite(described | {"types": {"resourceTypeGeneral": "Dater"}})


def test_the_card_names_a_file_of_each_table(folder):
    described = card(folder)
    assert [one["config_name"] for one in described["configs"]] == ["users", "comments", "follows"]
    assert all((folder / one["data_files"]).is_file() for one in described["configs"])
    assert described["license"] == "other"
    assert described["size_categories"] == ["n<1K"]


def test_each_reference_of_the_crate_leads_to_an_entity(folder):
    described = read(folder, "ro-crate-metadata.json")
    entities = {one["@id"]: one for one in described["@graph"]}
    assert len(entities) == len(described["@graph"])

    def references(value):
        if isinstance(value, list):
            return [found for one in value for found in references(one)]
        if not isinstance(value, dict):
            return []
        return (
            [value["@id"]]
            if value.keys() == {"@id"}
            else [found for one in value.values() for found in references(one)]
        )

    referred = {found for one in entities.values() for found in references(one)} - {"https://w3id.org/ro/crate/1.2"}
    assert referred <= entities.keys()
    parts = {one["@id"] for one in entities["./"]["hasPart"]}
    assert parts | {"ro-crate-metadata.json"} == {path.name for path in folder.iterdir()}


@pytest.mark.soak
@pytest.mark.usefixtures("processes")
def test_the_crate_is_valid(folders, tmp_path):
    """`roc-validator` needs another version of `rich` than the project, so it gets an environment of its own."""
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([uv(), "venv", "--quiet", tmp_path / "venv"], check=True)
    wanted = ["roc-validator==0.13.0", "rocrate==0.16.0"]
    subprocess.run([uv(), "pip", "install", "--quiet", "--python", python, *wanted], check=True)
    script = Path(__file__).with_name("validate_crate.py")

    def issues(folder: Path) -> list[str]:
        command = [python, script, folder, tmp_path / "cache"]
        *found, last = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        assert last == "validated"
        return found

    for folder in folders.values():
        assert not [one for one in issues(folder) if one.startswith("REQUIRED")]
    described = read(folder, "ro-crate-metadata.json")
    del described["@graph"][1]["datePublished"]
    (folder / "ro-crate-metadata.json").write_text(json.dumps(described))
    assert [one for one in issues(folder) if one.startswith("REQUIRED")]


def test_all_descriptions_name_the_same_makers_and_rights(folders):
    folder = folders["of the site, as stated"]
    assert "https://doi.org/10.5281/zenodo.1234567" in (folder / "README.md").read_text()
    assert read(folder, "CITATION.cff")["license"] == "CC-BY-4.0"
    for name in ("CITATION.cff", *MACHINE_READABLE):
        text = (folder / name).read_text()
        for fact in ("Carberry", "Josiah", "Example Lab", "0000-0002-1825-0097", "10.5281/zenodo.1234567"):
            assert fact in text, (name, fact)
    for name in MACHINE_READABLE:
        assert "CC-BY-4.0" in (folder / name).read_text(), name
        assert "CC-BY-SA-2.0" in (folder / name).read_text(), name
    sheet = " ".join((folder / "DATASHEET.md").read_text().split())
    assert "**Who made it?** Carberry, Josiah, Example Lab. Contact: Data office, Example University" in sheet
    assert "**Who paid for it?** As stated by the operator: Example Science Foundation, ESF-42" in sheet
    assert "**Was there an ethical review?** Stated by the operator: Approved by the review board" in sheet


def test_what_nobody_stated_is_said_to_be_not_stated(folders):
    folder = folders["of the site, nothing stated"]
    assert read(folder, "datacite.json")["publisher"] == {"name": "not stated"}
    assert read(folder, "datacite.json")["creators"][0]["name"] == "The operator of the harvest"
    assert "**Who paid for it?** As stated by the operator: not stated." in (folder / "DATASHEET.md").read_text()
    assert "license" not in read(folder, "CITATION.cff")


def descriptions(value) -> list[str]:
    """The descriptions in a JSON document, but those of funders and of licences."""
    if isinstance(value, list):
        return [found for one in value for found in descriptions(one)]
    if not isinstance(value, dict) or value.get("@type") in ("CreativeWork", "sc:CreativeWork"):
        return []
    found = [value["description"]] if isinstance(value.get("description"), str) else []
    return found + [one for key, child in value.items() if key != "funder" for one in descriptions(child)]


@pytest.mark.parametrize("profile", Profile)
@pytest.mark.parametrize("about", [ABOUT, Statements()], ids=["stated", "not stated"])
def test_a_release_of_the_sandbox_says_synthetic_everywhere(tmp_path, profile, about):
    make_release(tmp_path, rows(), profile=profile, about=about, provenance=SANDBOX)
    written = [
        path for path in tmp_path.iterdir() if path.name != "SHA256SUMS" and path.suffix not in {".gz", ".parquet"}
    ]
    assert len(written) > 10
    for path in written:
        assert "synthetic" in path.read_text().casefold(), path.name
    names = {
        "CITATION.cff": ("title", "abstract"),
        "datapackage.json": ("name", "title", "description"),
        "croissant.json": ("name", "description", "citeAs"),
    }
    for name, keys in names.items():
        for key in keys:
            assert "synthetic" in read(tmp_path, name)[key].casefold(), (name, key)
    assert "synthetic" in read(tmp_path, "datacite.json")["titles"][0]["title"].casefold()
    crate = read(tmp_path, "ro-crate-metadata.json")["@graph"]
    assert "synthetic" in crate[1]["name"].casefold()
    columns = sum(len(fields) for fields, *_ in DECLARED.values())
    for name in MACHINE_READABLE:
        found = descriptions(read(tmp_path, name))
        assert len(found) > (columns if name in ("datapackage.json", "croissant.json") else 1)
        assert [one for one in found if "synthetic" not in one.casefold()] == [], name
    for name, tables in (("SCHEMA.md", 3), ("README.md", 1), ("DATASHEET.md", 1)):
        headers = re.findall(r"^\| (?:column \| type|table \| rows) .*$", (tmp_path / name).read_text(), re.MULTILINE)
        assert ["synthetic data" in one for one in headers] == [True] * tables, name
    assert (tmp_path / "SCHEMA.md").read_text().count("\n\nSynthetic data: One row of ") == 3
    described = card(tmp_path)
    assert {"synthetic" in described[key].casefold() for key in ("pretty_name", "license_name")} == {True}
    for name, key in (("datapackage.json", "licenses"), ("croissant.json", "license"), ("datacite.json", "rightsList")):
        assert any("synthetic" in json.dumps(one).casefold() for one in read(tmp_path, name)[key]), name
    assert "synthetic" in (tmp_path / "LICENCE.md").read_text().splitlines()[0]


@pytest.mark.parametrize("profile", Profile)
def test_a_release_of_the_site_does_not_say_synthetic(tmp_path, profile):
    make_release(tmp_path, rows(), profile=profile, provenance=SITE)
    for path in tmp_path.iterdir():
        assert b"synthetic" not in path.read_bytes().lower(), path.name


def test_names_of_files_are_names_everywhere(folder):
    """On Windows too, where some characters and names are reserved, and case is no difference."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_.\-/]+", name), name
        for part in PurePosixPath(name).parts:
            assert not part.endswith(".")
            assert not re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", part, re.IGNORECASE)


def test_a_release_with_statements_verifies(folder):
    assert verify(folder) == []
