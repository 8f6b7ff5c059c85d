from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import IntegrityError, transaction

from core.models import ApiKey, Customer, Lab, LabModel, Membership, NoLab

TENANT_MODELS = [model for model in apps.get_app_config("core").get_models() if issubclass(model, LabModel)]


@pytest.mark.parametrize("model", TENANT_MODELS, ids=lambda model: model.__name__)
class TestEveryTenantModel:
    def test_objects_refuse_to_answer_without_a_lab(self, model):
        for ask in (model.objects.all, model.objects.count, model.objects.first, lambda: model.objects.filter(pk=1)):
            with pytest.raises(NoLab):
                ask()

    def test_the_lab_is_never_null(self, model):
        assert model._meta.get_field("lab").null is False

    def test_django_itself_uses_managers_that_work(self, model, db):
        assert model._default_manager.count() == 0
        assert model._base_manager.count() == 0


def test_there_are_tenant_models():
    assert {model.__name__ for model in TENANT_MODELS} == {
        "ApiKey", "AuditLog", "Customer", "IdempotencyKey", "LabDataKey", "Membership", "OutboxEvent",
    }  # fmt: skip


def test_for_lab_sees_one_lab_and_across_labs_sees_all(lab, other_lab):
    ours = Customer.objects.create(lab=lab, name="ours")
    theirs = Customer.objects.create(lab_id=other_lab.pk, name="theirs")
    assert list(Customer.objects.for_lab(lab)) == [ours]
    assert list(Customer.objects.for_lab(other_lab.pk)) == [theirs]
    assert set(Customer.across_labs.all()) == {ours, theirs}


@pytest.mark.parametrize("nobody", [None, "1", True, Lab(name="unsaved")])
def test_for_lab_takes_a_saved_lab_or_its_id_only(nobody):
    with pytest.raises(NoLab):
        Customer.objects.for_lab(nobody)


def test_create_without_a_lab_is_refused(db):
    with pytest.raises(NoLab):
        Customer.objects.create(name="nobody's")
    assert Customer.across_labs.count() == 0


def test_related_rows_and_dumps_still_work(lab):
    user = get_user_model().objects.create(username="mira")
    Membership.objects.create(lab=lab, user=user, role="owner")
    assert [m.role for m in lab.memberships.all()] == ["owner"]
    call_command("dumpdata", "core.membership", output="/dev/null")


def test_the_same_external_id_belongs_to_one_customer_of_each_lab(lab, other_lab):
    Customer.objects.create(lab=lab, external_id="c1")
    Customer.objects.create(lab=other_lab, external_id="c1")
    with pytest.raises(IntegrityError, match="core_customer_lab_external_id_uniq"), transaction.atomic():
        Customer.objects.create(lab=lab, external_id="c1")


def test_customers_without_an_external_id_do_not_collide(lab):
    Customer.objects.create(lab=lab, name="one")
    Customer.objects.create(lab=lab, name="two")
    assert Customer.objects.for_lab(lab).count() == 2


def test_a_user_is_one_customer_of_a_lab(lab, other_lab):
    user = get_user_model().objects.create(username="mira")
    Customer.objects.create(lab=lab, user=user)
    Customer.objects.create(lab=other_lab, user=user)
    with pytest.raises(IntegrityError, match="core_customer_lab_user_uniq"), transaction.atomic():
        Customer.objects.create(lab=lab, user=user)


@pytest.mark.parametrize(
    ("values", "constraint"),
    [({"mode": "demo", "scopes": []}, "mode_known"), ({"mode": "live", "scopes": ["everything"]}, "scopes_known")],
)
def test_an_api_key_has_a_known_mode_and_known_scopes(lab, values, constraint):
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        ApiKey.objects.create(lab=lab, name="x", prefix="x", key_hash="x", **values)
