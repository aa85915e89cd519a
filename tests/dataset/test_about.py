"""A `release.toml` is read whole, and each wrong key is named in one line."""

import tomllib
from datetime import date

import pytest
from made_up_release import ABOUT

from harvester.dataset.about import Creator, Statements, is_orcid, parse_statements, read_statements, template
from harvester.errors import UsageError


def test_the_template_states_nothing_until_it_is_completed():
    assert parse_statements(tomllib.loads(template())) == Statements()


def test_each_key_of_the_model_is_in_the_template():
    about = ABOUT
    assert not [name for name in Statements.__struct_fields__ if getattr(about, name) in (None, ())]
    person, organisation = about.creators
    assert person.full_name == "Carberry, Josiah"
    assert organisation.full_name == "Example Lab"
    stated = [getattr(one, name) for one in about.creators for name in Creator.__struct_fields__]
    assert None in stated
    assert all(getattr(person, name) or getattr(organisation, name) for name in Creator.__struct_fields__)
    assert about.published == date(2026, 6, 15)


@pytest.mark.parametrize("orcid", ["0000-0002-1825-0097", "0000-0001-5109-3700", "0000-0002-1694-233X"])
def test_an_orcid_is_checked_by_its_last_digit(orcid):
    assert is_orcid(orcid)
    digits = [n for n, one in enumerate(orcid) if one.isdigit()]
    for n in digits:
        other = f"{orcid[:n]}{(int(orcid[n]) + 1) % 10}{orcid[n + 1 :]}"
        assert not is_orcid(other), other


PERSON = "[[creators]]\ngiven = 'x'\nfamily = 'y'"
WRONG = {
    "titel = 'x'": "titel is no key of this file; `harvester dataset template` shows all",
    "title = 7": "title = 7: must be text in quotes",
    "title = ' '": 'title = " ": must be one line of text, and not an empty one',
    "title = 'a\tb\\nc'": 'title = "a\\tb\\\\nc": must be one line of text',
    "doi = 'https://doi.org/10.5281/x'": 'doi = "https://doi.org/10.5281/x": must be written as 10.5281/zenodo.1234567',
    "licence = 'MIT'": 'licence = "MIT": must be one of CC0-1.0, CC-BY-4.0',
    "licence = { name = 'x' }": "licence.url is missing",
    "licence = { name = 'x', url = 'y' }": 'licence.url = "y": must be written as https://example.org/licence',
    "published = 'tomorrow'": 'published = "tomorrow": must be a day without quotes, as 2026-06-15',
    "published = 2026-06-15T12:00:00": "published = 2026-06-15 12:00:00: must be a day without quotes, as 2026-06-15",
    "title = true": "title = true: must be text in quotes",
    "title = ['a']": "title = [...]: must be text in quotes",
    "[title]": "title = {...}: must be text in quotes",
    "doi = 10.5": "doi = 10.5: must be text in quotes",
    "creators = ['me']": 'creators[1] = "me": must be a table',
    "[[creators]]\ngiven = 3\nfamily = 'y'": "creators[1].given = 3: must be text in quotes",
    "'a b\\nc' = 1": '"a b\\\\nc" is no key of this file',
    '"a\\nb" = 1': '"a\\nb" is no key of this file',
    f"doi = '{'x' * 99}'": f'doi = "{"x" * 60}...": must be written as 10.5281',
    "ethics = ''": "ethics must not be empty: leave the key out to state nothing",
    "creators = 'me'": 'creators = "me": must be a list of tables, each below [[creators]]',
    "contact = 'me'": 'contact = "me": must be a table, as `harvester',
    "[contact]\nname = 'x'": "contact.email or url must say how to reach the contact",
    "[contact]\nname = 'x'\nemail = 'nowhere'": 'contact.email = "nowhere": must be written as data@example.org',
    "[[creators]]\nname = 'x'\n[[creators]]\ngiven = 'y'": "creators[2].given and family must name a person",
    "[[creators]]\nname = 'x'\nfamily = 'y'": "creators[1].name is for an organisation",
    "[[creators]]\nname = 'x'\norcid = '0000-0002-1825-0097'": "creators[1].orcid is for a person",
    f"{PERSON}\nror = 'z'": "creators[1].ror is for an organisation",
    f"{PERSON}\norcid = '0000-0002-1825-0098'": "0000-0002-1825-0098 has a wrong check digit",
    f"{PERSON}\norcid = '0000'": 'orcid = "0000": must be written as 0000-0002-1825-0097',
    "[[creators]]\nname = 'x'\nror = 'https://ror.org/1'": 'creators[1].ror = "https://ror.org/1": must be written as https://ror.org/02mhbdp94',
    "[[funding]]\naward = 'x'": "funding[1].funder is missing",
    "[[funding]]\nfunder = 'x'\nurl = 'y'": 'funding[1].url = "y": must be written as https://example.org/award',
    "title = ": "is not valid TOML",
    "creators = " + "[" * 2000 + "]" * 2000: "",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_key_is_named_in_one_line(tmp_path, text):
    path = tmp_path / "release.toml"
    path.write_text(text)
    with pytest.raises(UsageError) as told:
        read_statements(path)
    assert str(told.value).startswith(f"{path}")
    assert WRONG[text] in str(told.value)
    assert "\n" not in str(told.value)
    assert "$" not in str(told.value)


@pytest.mark.parametrize(("make", "why"), [
    (lambda _: None, "cannot be read: No such file or directory"),
    (lambda path: path.mkdir(), "cannot be read: Is a directory"),
    (lambda path: path.write_bytes(b"title = '\xff'"), "is not encoded in UTF-8"),
])  # fmt: skip
def test_a_file_that_cannot_be_read(tmp_path, make, why):
    make(tmp_path / "release.toml")
    with pytest.raises(UsageError, match=why):
        read_statements(tmp_path / "release.toml")
