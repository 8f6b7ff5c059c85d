from __future__ import annotations

import base64
import os

import pytest
from django.db import connection, transaction

from core import encryption
from core.encryption import CannotOpen, MasterKeysUnusable, Place, open_, seal
from core.hashing import keyed_hash
from core.models import LabDataKey, SystemSecret

HERE = Place("gk_1", "live", "secret_key")


def entry(key_id: str) -> str:
    return f"{key_id}:{base64.b64encode(os.urandom(32)).decode()}"


def test_what_was_sealed_opens_at_its_place(lab):
    sealed = seal(lab, HERE, "sk_live_é")
    assert open_(lab.pk, HERE, sealed) == "sk_live_é"


def test_a_sealed_value_has_the_form_that_is_promised(lab):
    version, key_id, nonce, ciphertext = seal(lab, HERE, "abc").split(".")
    assert version == "v1"
    assert key_id == LabDataKey.objects.for_lab(lab).get().key_id
    assert len(base64.urlsafe_b64decode(nonce)) == 12
    assert len(base64.urlsafe_b64decode(ciphertext + "==")) == len("abc") + 16


def test_the_same_text_is_never_sealed_twice_alike(lab):
    assert seal(lab, HERE, "abc") != seal(lab, HERE, "abc")


@pytest.mark.parametrize(
    "elsewhere",
    [Place("gk_2", "live", "secret_key"), Place("gk_1", "test", "secret_key"), Place("gk_1", "live", "webhook_secret")],
)
def test_a_value_moved_to_another_place_does_not_open(lab, elsewhere):
    with pytest.raises(CannotOpen):
        open_(lab, elsewhere, seal(lab, HERE, "abc"))


def test_a_value_moved_to_another_lab_does_not_open_even_with_its_data_key(lab, other_lab):
    sealed = seal(lab, HERE, "abc")
    with pytest.raises(CannotOpen):
        open_(other_lab, HERE, sealed)
    LabDataKey.objects.for_lab(lab).update(lab_id=other_lab.pk)
    encryption.forget_cached_keys()
    with pytest.raises(CannotOpen):
        open_(other_lab, HERE, sealed)


def test_the_parts_of_a_place_cannot_run_into_one_another(lab):
    with pytest.raises(ValueError, match="a place is made of"):
        seal(lab, Place("gk_1|live", "", "secret_key"), "abc")


@pytest.mark.parametrize("position", [10, -1])
def test_a_damaged_value_does_not_open(lab, position):
    sealed = list(seal(lab, HERE, "abc"))
    version, key_id, nonce, ciphertext = "".join(sealed).split(".")
    raw = bytearray(base64.urlsafe_b64decode(ciphertext + "=="))
    raw[position] ^= 1
    damaged = f"{version}.{key_id}.{nonce}.{base64.urlsafe_b64encode(bytes(raw)).rstrip(b'=').decode()}"
    with pytest.raises(CannotOpen) as caught:
        open_(lab, HERE, damaged)
    assert "abc" not in str(caught.value)
    assert ciphertext not in str(caught.value)


@pytest.mark.parametrize("nonsense", ["", "abc", "v2.k.n.c", "v1.k.n", "v1..n.c", "v1.unknown.AAAA.AAAA", "v1.k y.n.c"])
def test_what_is_not_a_sealed_value_raises(lab, nonsense):
    with pytest.raises(CannotOpen):
        open_(lab, HERE, nonsense)


def test_nothing_to_seal_is_refused(lab):
    with pytest.raises(ValueError, match="nothing to seal"):
        seal(lab, HERE, "")


def test_sealing_again_asks_the_database_nothing(lab, django_assert_num_queries):
    # The key was made in this test's transaction, so it is remembered for opening only; see the test below.
    sealed = seal(lab, HERE, "abc")
    open_(lab, HERE, sealed)
    with django_assert_num_queries(0):
        assert open_(lab, HERE, sealed) == "abc"


def test_a_data_key_that_may_be_rolled_back_is_not_remembered(lab):
    with transaction.atomic():
        seal(lab, HERE, "abc")
        transaction.set_rollback(True)
    sealed = seal(lab, HERE, "abc")
    assert LabDataKey.objects.for_lab(lab).get().key_id == encryption.key_id_of(sealed)
    assert open_(lab, HERE, sealed) == "abc"


def test_a_committed_data_key_is_remembered(lab, django_assert_num_queries):
    seal(lab, HERE, "abc")
    LabDataKey.objects.for_lab(lab).update(created_at="2026-01-01T00:00:00Z")  # as if committed by somebody before
    seal(lab, HERE, "abc")
    with django_assert_num_queries(0):
        seal(lab, HERE, "abc")


def test_the_plain_data_key_is_nowhere_in_the_database(lab):
    sealed = seal(lab, HERE, "abc")
    row = LabDataKey.objects.for_lab(lab).get()
    plain = encryption._opening_key(lab.pk, encryption.key_id_of(sealed)).secret
    assert row.wrapped.startswith("v1.test-b.")
    assert base64.urlsafe_b64encode(plain).rstrip(b"=").decode() not in row.wrapped
    assert plain.hex() not in repr(encryption._opening_key(lab.pk, row.key_id))


def test_the_first_key_of_the_ring_wraps_and_the_others_still_open(lab, settings):
    old, new = entry("old"), entry("new")
    settings.MASTER_KEYS = (old,)
    wrapped = encryption.wrap("x", b"secret")
    settings.MASTER_KEYS = (new, old)
    assert encryption.key_id_of(encryption.wrap("x", b"secret")) == "new"
    assert encryption.unwrap("x", wrapped) == b"secret"
    settings.MASTER_KEYS = (new,)
    with pytest.raises(CannotOpen, match="no master key with the id 'old'"):
        encryption.unwrap("x", wrapped)


def test_a_wrapped_key_opens_under_its_own_name_only(settings):
    wrapped = encryption.wrap("data-key|1|aa", b"secret")
    with pytest.raises(CannotOpen):
        encryption.unwrap("data-key|2|aa", wrapped)


def test_another_key_under_the_same_id_does_not_open(settings):
    settings.MASTER_KEYS = (entry("k"),)
    wrapped = encryption.wrap("x", b"secret")
    settings.MASTER_KEYS = (entry("k"),)
    with pytest.raises(CannotOpen):
        encryption.unwrap("x", wrapped)


@pytest.mark.parametrize(
    ("ring", "message"),
    [
        ((), "MASTER_KEYS is empty"),
        (("noid",), "keyid:base64|no usable id|shorter"),
        ((":" + base64.b64encode(os.urandom(32)).decode(),), "no usable id"),
        (("k:" + base64.b64encode(os.urandom(31)).decode(),), "shorter than 32 bytes"),
        (("k:not base64!",), "not of the form keyid:base64"),
        (("k:" + base64.b64encode(bytes(32)).decode(),), "example or far from random"),
        (("k:" + base64.b64encode(bytes(range(32))).decode(),), "example or far from random"),
        (("k:" + base64.b64encode(b"changeme" * 4).decode(),), "example or far from random"),
        ((entry("k"), entry("k")), "the same id"),
    ],
)
def test_bad_master_keys_are_refused(settings, ring, message):
    settings.MASTER_KEYS = ring
    with pytest.raises(MasterKeysUnusable, match=message):
        encryption.master_keys()


def test_the_installations_secret_is_made_once_and_kept_wrapped(db):
    first = encryption.system_secret("lookup")
    encryption.forget_cached_keys()
    assert encryption.system_secret("lookup") == first
    assert len(first) == 32
    assert SystemSecret.objects.get(name="lookup").wrapped.startswith("v1.test-")


def test_keyed_hashes_differ_by_purpose_and_value_and_repeat(db):
    assert keyed_hash("a", "x") == keyed_hash("a", b"x")
    assert len({keyed_hash("a", "x"), keyed_hash("b", "x"), keyed_hash("a", "y")}) == 3
    assert len(keyed_hash("a", "x")) == 64


def test_migrate_leaves_the_lookup_secret_and_a_check_value_behind(db):
    with connection.cursor() as cursor:
        cursor.execute("SELECT (SELECT count(*) FROM core_systemsecret), (SELECT count(*) FROM core_encryptioncheck)")
        assert cursor.fetchone() == (1, 1)
