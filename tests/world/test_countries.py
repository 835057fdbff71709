"""A country is data: the one that differs in everything does the whole main job too."""

import json

import pytest
from tests.running import Running


@pytest.fixture(scope="module")
def wahat(tmp_path_factory):
    """The stack as the country with Arabic, three decimals, and another number format."""
    stack = Running(tmp_path_factory.mktemp("wahat") / "home", 60, country="wahat").start()
    yield stack
    stack.stop()


def test_the_other_country_does_the_whole_main_job(wahat):
    ran = wahat.run("tour", "--home", str(wahat.home), "--rows", "60", timeout_s=600)
    assert ran.returncode == 0, ran.stdout[-1500:] + ran.stderr[-1500:]
    assert "All of it worked" in ran.stdout and "DT" in ran.stdout


def test_its_sample_speaks_its_languages(wahat):
    sample = json.loads((wahat.home / "sample.json").read_text("utf-8"))
    assert sample["country"] == "wahat" and {p["language"] for p in sample["people"]} <= {"ar", "fr"}
    assert all("\u0600" <= p["name"][0] <= "\u06ff" for p in sample["people"])
