"""A finished key has an answer: a comparison with NULL had let one without pass."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0003_audit_views"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="idempotencykey",
            name="core_idempotencykey_answer_if_finished",
        ),
        migrations.AddConstraint(
            model_name="idempotencykey",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("response_status__isnull", True), ("state", "running")),
                    models.Q(
                        ("response_status__gte", 200),
                        ("response_status__isnull", False),
                        ("response_status__lt", 500),
                        ("state", "finished"),
                    ),
                    _connector="OR",
                ),
                name="core_idempotencykey_answer_if_finished",
            ),
        ),
    ]
