from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.exceptions import ImproperlyConfigured

from settings.keys import read_master_keys, read_secret_key
from settings.local_keys import load_or_create


def test_keys_are_made_once_for_their_owner_alone_and_are_good_ones(tmp_path):
    keys = load_or_create(tmp_path / ".run")
    path = tmp_path / ".run" / "keys.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert load_or_create(tmp_path / ".run") == keys
    assert read_secret_key(keys.secret_key) == keys.secret_key
    assert read_master_keys(keys.master_keys, secret_key=keys.secret_key) == keys.master_keys
    assert sorted(os.listdir(path.parent)) == ["keys.json", "keys.lock"]


def test_many_who_ask_at_once_get_the_same_keys(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(load_or_create, [tmp_path / ".run"] * 32))
    assert len(made) == 1


@pytest.mark.parametrize("content", ["", "{}", "[1]", json.dumps({"secret_key": "x"})])
def test_a_damaged_file_is_refused_and_never_replaced(tmp_path, content):
    path = tmp_path / "keys.json"
    path.write_text(content)
    with pytest.raises(ImproperlyConfigured, match=r"keys\.json is damaged"):
        load_or_create(tmp_path)
    assert path.read_text() == content


def test_keys_do_not_show_in_a_repr(tmp_path):
    assert repr(load_or_create(tmp_path)) == "LocalKeys(...)"
