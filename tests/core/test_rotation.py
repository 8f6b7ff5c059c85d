from __future__ import annotations

import base64
import os
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from core import encryption, rotation, startup
from core.encryption import Place, open_, seal
from core.hashing import keyed_hash
from core.models import EncryptionCheck, Lab, LabDataKey, SystemSecret

HERE = Place("gk_1", "live", "secret_key")
OLD = "old:" + base64.b64encode(os.urandom(32)).decode()
NEW = "new:" + base64.b64encode(os.urandom(32)).decode()


@pytest.fixture
def five_labs(db, settings):
    """Five labs with a sealed value each, everything wrapped with the key "old"."""
    SystemSecret.objects.all().delete()
    EncryptionCheck.objects.all().delete()
    settings.MASTER_KEYS = (OLD,)
    startup.prepare_database()
    labs = [Lab.objects.create(name=f"Lab {n}", slug=f"lab-{n}") for n in range(5)]
    sealed = {lab: seal(lab, HERE, f"secret of {lab.name}") for lab in labs}
    encryption.forget_cached_keys()
    return sealed


def test_rotation_wraps_everything_anew_and_every_value_still_opens(five_labs, settings):
    hashed = keyed_hash("api_key", "x")
    settings.MASTER_KEYS = (NEW, OLD)
    done = rotation.rotate(batch=2)
    assert done == rotation.Rotation(wrapped=6, unopened=0, counts={"new": 6}, current="new")
    assert done.is_done is True
    settings.MASTER_KEYS = (NEW,)
    encryption.forget_cached_keys()
    assert [open_(lab, HERE, sealed) for lab, sealed in five_labs.items()] == [f"secret of Lab {n}" for n in range(5)]
    assert keyed_hash("api_key", "x") == hashed


def test_a_second_run_has_nothing_to_do(five_labs, settings):
    settings.MASTER_KEYS = (NEW, OLD)
    rotation.rotate()
    assert rotation.rotate() == rotation.Rotation(wrapped=0, unopened=0, counts={"new": 6}, current="new")


def test_a_run_that_died_is_resumed_where_it_stopped(five_labs, settings, monkeypatch):
    settings.MASTER_KEYS = (NEW, OLD)
    store, calls = rotation._store, []

    def dies_at_the_fourth(*arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return store(*arguments)

    monkeypatch.setattr(rotation, "_store", dies_at_the_fourth)
    with pytest.raises(KeyboardInterrupt):
        rotation.rotate(batch=1)
    assert rotation.counts_per_key() == {"new": 3, "old": 3}
    monkeypatch.setattr(rotation, "_store", store)
    assert rotation.rotate(batch=1) == rotation.Rotation(wrapped=3, unopened=0, counts={"new": 6}, current="new")


def test_values_open_in_the_middle_of_a_rotation(five_labs, settings):
    settings.MASTER_KEYS = (NEW, OLD)
    lab = next(iter(five_labs))
    row = LabDataKey.objects.for_lab(lab).get()
    name = encryption.data_key_name(lab.pk, row.key_id)
    LabDataKey.objects.for_lab(lab).update(wrapped=encryption.wrap(name, encryption.unwrap(name, row.wrapped)))
    assert rotation.counts_per_key() == {"new": 1, "old": 5}
    assert [open_(lab, HERE, sealed) for lab, sealed in five_labs.items()] == [f"secret of Lab {n}" for n in range(5)]


def test_what_cannot_be_opened_is_left_alone_and_never_called_done(five_labs, settings):
    lab = next(iter(five_labs))
    broken = "v1.lost.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    LabDataKey.objects.for_lab(lab).update(wrapped=broken)
    settings.MASTER_KEYS = (NEW, OLD)
    out = StringIO()
    with pytest.raises(CommandError, match="not done: 1 could not be opened"):
        call_command("rotate_keys", stdout=out)
    assert 'keys wrapped with each master key: {"new": 5, "old": 0, "lost": 1}' in out.getvalue()
    assert "may be removed" not in out.getvalue()
    assert LabDataKey.objects.for_lab(lab).get().wrapped == broken


def test_the_command_says_what_it_did_and_which_key_may_go(five_labs, settings):
    settings.MASTER_KEYS = (NEW, OLD)
    out = StringIO()
    call_command("rotate_keys", "--dry-run", stdout=out)
    assert out.getvalue() == 'keys wrapped with each master key: {"new": 0, "old": 6}\n'
    out = StringIO()
    call_command("rotate_keys", "--batch", "2", stdout=out)
    assert out.getvalue() == (
        "wrapped anew with new: 6\n"
        'keys wrapped with each master key: {"new": 6, "old": 0}\n'
        "done: old may be removed from the ring\n"
    )


def test_rotation_is_refused_with_keys_of_another_installation(five_labs, settings):
    settings.MASTER_KEYS = (NEW,)
    with pytest.raises(CommandError, match="put back the key with the id old"):
        call_command("rotate_keys")
    assert rotation.counts_per_key() == {"old": 6}
