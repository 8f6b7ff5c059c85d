from __future__ import annotations

import re
import threading
from io import StringIO

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection

from core import labs
from core.api.authentication import find_api_key
from core.models import ApiKey, AuditLog, Customer, Lab, LabDataKey, Membership, Scope


class TestLabs:
    def test_a_new_lab_has_its_data_key_its_owner_and_its_first_audit_rows(self, db):
        owner = get_user_model().objects.create(username="mira")
        lab = labs.create_lab(
            name=" Acme Ltd ",
            actor=owner,
            owner=owner,
            timezone="Asia/Kolkata",
            return_origins=["https://Shop.example"],
        )
        assert (lab.name, lab.slug, lab.timezone, lab.return_origins) == (
            "Acme Ltd", "acme-ltd", "Asia/Kolkata", ["https://shop.example"],
        )  # fmt: skip
        assert LabDataKey.objects.for_lab(lab).count() == 1
        assert [(m.user, m.role) for m in Membership.objects.for_lab(lab)] == [(owner, "owner")]
        assert [row.action for row in AuditLog.objects.for_lab(lab).order_by("seq")] == ["lab.created", "member.set"]

    @pytest.mark.parametrize(
        "wrong",
        [{"name": " "}, {"timezone": "Mars/Base"}, {"timezone": "../etc/passwd"}, {"return_origins": ["https://a.b/x"]},
         {"return_origins": ["shop.example"]}, {"return_origins": ["https://a@b.c"]}, {"slug": "taken"}],
    )  # fmt: skip
    def test_what_cannot_be_used_is_refused_and_leaves_nothing(self, db, wrong):
        Lab.objects.create(name="Taken", slug="taken")
        with pytest.raises(labs.InvalidLab):
            labs.create_lab(**{"name": "Acme", "actor": "test", **wrong})
        assert Lab.objects.count() == 1
        assert AuditLog.across_labs.count() == 0

    def test_a_member_has_one_role_and_its_changes_are_logged(self, lab):
        user = get_user_model().objects.create(username="mira")
        for role in ("viewer", "viewer", "finance"):
            labs.add_member(lab=lab, user=user, role=role, actor="test")
        assert [m.role for m in Membership.objects.for_lab(lab)] == ["finance"]
        assert [row.changes for row in AuditLog.objects.for_lab(lab).order_by("seq")] == [
            {"role": [None, "viewer"]}, {"role": ["viewer", "finance"]},
        ]  # fmt: skip

    def test_an_unknown_role_is_refused(self, lab):
        user = get_user_model().objects.create(username="mira")
        with pytest.raises(labs.InvalidLab):
            labs.add_member(lab=lab, user=user, role="god", actor="test")
        assert Membership.objects.for_lab(lab).count() == 0


class TestApiKeys:
    def test_a_key_is_shown_once_and_kept_as_a_hash(self, lab):
        made = labs.create_api_key(lab=lab, mode="live", name="shop", scopes=["refunds:write"], actor="test")
        assert re.fullmatch(r"pw_live_[0-9a-f]{40}", made.text)
        row = ApiKey.objects.for_lab(lab).values().get()
        assert row["prefix"] == made.text[:12]
        assert len(row["key_hash"]) == 64
        secret = made.text[12:]
        kept = [str(value) for value in row.values()] + [str(r) for r in AuditLog.objects.for_lab(lab).values()]
        assert not any(secret in text for text in kept)
        assert secret not in repr(made)

    @pytest.mark.parametrize("scopes", [[], ["payments:read", "everything"], ["PAYMENTS:READ"]])
    def test_unknown_or_no_scopes_are_refused(self, lab, scopes):
        with pytest.raises(labs.UnknownScope):
            labs.create_api_key(lab=lab, mode="live", name="x", scopes=scopes, actor="test")
        assert ApiKey.objects.for_lab(lab).count() == 0

    def test_an_unknown_mode_is_refused(self, lab):
        with pytest.raises(ValueError, match="demo"):
            labs.create_api_key(lab=lab, mode="demo", name="x", scopes=["payments:read"], actor="test")

    def test_revoking_ends_a_key_at_once_and_again_is_harmless(self, lab):
        made = labs.create_api_key(lab=lab, mode="live", name="x", scopes=["payments:read"], actor="test")
        labs.revoke_api_key(lab=lab, key_id=made.key.pk, actor="test")
        at = ApiKey.objects.for_lab(lab).get().revoked_at
        assert find_api_key(made.text) is None
        labs.revoke_api_key(lab=lab, key_id=made.key.pk, actor="test")
        assert ApiKey.objects.for_lab(lab).get().revoked_at == at
        assert [row.action for row in AuditLog.objects.for_lab(lab).order_by("seq")] == [
            "api_key.created", "api_key.revoked",
        ]  # fmt: skip

    def test_another_labs_key_cannot_be_revoked(self, lab, other_lab):
        made = labs.create_api_key(lab=lab, mode="live", name="x", scopes=["payments:read"], actor="test")
        with pytest.raises(ApiKey.DoesNotExist):
            labs.revoke_api_key(lab=other_lab, key_id=made.key.pk, actor="test")
        assert find_api_key(made.text) is not None


class TestCustomers:
    def test_a_customer_is_made_once_and_brought_up_to_date(self, lab):
        first = labs.upsert_customer(lab=lab, external_id="c1", name="Mira", email="m@example.com")
        again = labs.upsert_customer(lab=lab, external_id="c1", phone="+9111", name="Mira K")
        assert first == again
        assert Customer.objects.for_lab(lab).values("external_id", "name", "email", "phone").get() == {
            "external_id": "c1", "name": "Mira K", "email": "m@example.com", "phone": "+9111",
        }  # fmt: skip

    def test_where_nothing_changes_nothing_is_written(self, lab):
        customer = labs.upsert_customer(lab=lab, external_id="c1", name="Mira")

        def version():
            with connection.cursor() as cursor:
                cursor.execute("SELECT ctid::text, xmax::text FROM core_customer WHERE id = %s", [customer])
                return cursor.fetchone()

        before = version()
        assert labs.upsert_customer(lab=lab, external_id="c1", name="Mira") == customer
        assert labs.upsert_customer(lab=lab, external_id="c1") == customer
        assert version() == before

    def test_the_same_external_id_in_another_lab_is_another_customer(self, lab, other_lab):
        ours = labs.upsert_customer(lab=lab, external_id="c1", name="ours")
        theirs = labs.upsert_customer(lab=other_lab, external_id="c1", name="theirs")
        assert ours != theirs
        assert Customer.objects.for_lab(lab).get().name == "ours"

    def test_without_an_external_id_it_is_always_a_new_customer(self, lab):
        one = labs.upsert_customer(lab=lab, email="m@example.com")
        two = labs.upsert_customer(lab=lab, email="m@example.com")
        assert one != two

    def test_it_is_one_statement(self, lab, django_assert_num_queries):
        for _ in range(2):
            with django_assert_num_queries(1):
                labs.upsert_customer(lab=lab, external_id="c1", name="Mira")

    @pytest.mark.concurrency
    def test_ten_at_once_find_the_same_customer(self, committed_lab):
        lab = committed_lab
        together, found = threading.Barrier(10), []

        def one() -> None:
            together.wait()
            found.append(labs.upsert_customer(lab=lab, external_id="c1", name="Mira"))
            connection.close()

        threads = [threading.Thread(target=one) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 10
        assert set(found) == {Customer.objects.for_lab(lab).get().pk}


class TestCommands:
    def test_a_lab_and_its_key_from_the_command_line(self, db):
        get_user_model().objects.create(username="mira")
        out = StringIO()
        call_command("create_lab", "Acme", "--owner", "mira", "--return-origin", "https://shop.example", stdout=out)
        assert out.getvalue() == "acme\n"
        lab = Lab.objects.get()
        assert lab.return_origins == ["https://shop.example"]
        out = StringIO()
        call_command("create_api_key", "acme", "--mode", "live", "--scope", "payments:read", stdout=out)
        found = find_api_key(out.getvalue().strip())
        assert (found.lab_id, found.mode, found.scopes) == (lab.pk, "live", {"payments:read"})
        assert [row.actor_label for row in AuditLog.objects.for_lab(lab).order_by("seq")] == [
            "command create_lab", "command create_lab", "command create_api_key",
        ]  # fmt: skip

    def test_without_scopes_a_key_has_all_in_test_mode(self, lab):
        out = StringIO()
        call_command("create_api_key", lab.slug, stdout=out)
        found = find_api_key(out.getvalue().strip())
        assert (found.mode, found.scopes) == ("test", set(Scope.values))

    def test_what_does_not_exist_is_said(self, db):
        with pytest.raises(CommandError, match="there is no lab 'nowhere'"):
            call_command("create_api_key", "nowhere")
        with pytest.raises(CommandError, match="there is no user 'nobody'"):
            call_command("create_lab", "Acme", "--owner", "nobody")
        with pytest.raises(CommandError, match="IANA time zone"):
            call_command("create_lab", "Acme", "--timezone", "x")
        assert Lab.objects.count() == 0
