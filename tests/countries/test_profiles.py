"""Country profiles: the shipped ones are right, and every mistake in a wrong one is named."""

import shutil
from datetime import date

import pytest
from click.testing import CliRunner
from tests.house.code import SRC

from msingi import countries
from msingi.cli import cli
from msingi.countries import synthetic


@pytest.mark.parametrize("code", countries.shipped())
def test_shipped_profiles_are_valid_and_differ(code):
    profile = countries.load(code)
    assert countries.mistakes(profile) == [] and profile.synthetic
    assert CliRunner().invoke(cli, ["country", "check", str(SRC / "countries" / code)]).exit_code == 0


def test_the_two_countries_differ_in_what_a_profile_can_say():
    one, two = (countries.load(c) for c in ("taifa", "wahat"))
    assert not set(one.languages) & set(two.languages)
    assert (one.currency.digits, two.currency.digits) == (0, 3)
    assert one.number.groups != two.number.groups and one.phone_prefix != two.phone_prefix
    assert two.direction("ar") == "rtl" and one.direction("sw") == "ltr"
    assert sum(r.population for r in one.regions) == 61_741_120  # the census of 2022


WRONG = {
    "languages": ('languages = ["sw", "en"]', 'languages = ["sw", "en", "fr"]', "lacks the languages fr"),
    "groups": ("groups = [4, 4, 4]", "groups = [4, 4]", "must add up to 12"),
    "type": ("digits = 0", 'digits = "many"', "currency.digits"),
    "unknown": ("[currency]", 'flag = "x"\n[currency]', "flag"),
    "purpose": ('purpose = "payment"', 'purpose = "pleasure"', "pleasure is not a purpose"),
    "basis": ('bases = ["consent", "vital-interest", "contract"]', 'bases = ["whim"]', "whim is not a legal basis"),
    "colour": ("#0f5c4d", "green", "colours.primary"),
    "authority": ('member = "rita"', 'member = "nobody"', "names no institution"),
    "syntax": ("[currency]", "[currency", "cannot be read"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_every_mistake_is_named(mistake, tmp_path):
    before, after, message = WRONG[mistake]
    folder = tmp_path / "wrong"
    shutil.copytree(SRC / "countries" / "taifa", folder)
    text = (folder / "profile.toml").read_text("utf-8")
    assert before in text
    (folder / "profile.toml").write_text(text.replace(before, after, 1), "utf-8")
    with pytest.raises(countries.ProfileWrong, match=message):
        countries.read(folder)


def test_several_mistakes_are_all_named_at_once(tmp_path):
    folder = tmp_path / "wrong"
    shutil.copytree(SRC / "countries" / "taifa", folder)
    text = (folder / "profile.toml").read_text("utf-8")
    (folder / "profile.toml").write_text(text.replace("[4, 4, 4]", "[5]").replace("#0f5c4d", "green"), "utf-8")
    (folder / "regions.csv").write_text("code,population,name_sw\nR1,10,Moja\n", "utf-8")
    with pytest.raises(countries.ProfileWrong) as wrong:
        countries.read(folder)
    assert len(wrong.value.mistakes) == 3
    for file in ("profile.toml", "regions.csv", "names.toml"):
        (folder / file).unlink()
        with pytest.raises(countries.ProfileWrong, match=f"{file} is missing"):
            countries.read(folder)
        shutil.copy(SRC / "countries" / "taifa" / file, folder)


@pytest.mark.parametrize("code", countries.shipped())
def test_invented_people_are_reproducible_and_at_the_country_s_proportions(code):
    profile, today = countries.load(code), date(2026, 11, 21)
    people = list(synthetic.people(profile, 4_000, 7, today))
    assert list(synthetic.people(profile, 100, 7, today)) == people[:100]
    assert people[:100] != list(synthetic.people(profile, 100, 8, today))
    phones = [p.phone for p in people if p.phone]
    assert len(set(phones)) == len(phones) and all(len(p) == len(phones[0]) for p in phones)
    assert all(people[p.mother].sex == "female" for p in people if p.mother >= 0)
    assert all(people[p.mother].birth_date < p.birth_date for p in people if p.mother >= 0)
    total = sum(r.population for r in profile.regions)
    biggest = max(profile.regions, key=lambda r: r.population)
    share = sum(p.region == biggest.code for p in people) / len(people)
    assert abs(share - biggest.population / total) < 0.05
