"""The independent witness without its server: our client against what localstripe 1.15.10 answered on 2026-11-20."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tests.clients.stripe.cassette import BASE, FOLDER, player
from tests.clients.stripe.witness import KEY, SCENES, WEBHOOK_SECRET, Stage


@pytest.mark.parametrize("scene", SCENES.values(), ids=list(SCENES))
def test_a_recorded_scene_plays_again(scene: Callable[[Stage], None]) -> None:
    with player(scene.__name__.removeprefix("scene_")) as cassette:
        scene(Stage(BASE))
    assert cassette.play_count == len(cassette)


def test_every_cassette_has_a_scene() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(SCENES)


def test_no_cassette_holds_a_key_a_client_secret_or_another_address() -> None:
    for path in FOLDER.glob("*.yaml"):
        text = path.read_text()
        assert KEY not in text
        assert "Bearer" not in text
        assert WEBHOOK_SECRET not in text
        assert set(re.findall(r"_secret_(\w+)", text)) <= {"FILTERED"}
        assert set(re.findall(r"https?://[^/\s\"'%\\]+", text)) <= {BASE}
