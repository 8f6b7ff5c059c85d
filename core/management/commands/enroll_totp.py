"""Give a person an app for one-time codes, or another one than before."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django_otp.plugins.otp_totp.models import TOTPDevice

from core import audit
from core.models import Membership


class Command(BaseCommand):
    """Prints the address that an authenticator app takes; it is shown once and lets whoever has it make codes."""

    help = (
        "Make the secret of a person's one-time codes and print it as an otpauth:// address, which an authenticator app "
        "takes by hand or as a QR code. Earlier apps of the person stop working. Production asks for codes at the desk."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, **options: Any) -> None:
        model = get_user_model()
        try:
            user = model._default_manager.get_by_natural_key(options["username"])
        except model.DoesNotExist:
            raise CommandError(
                f"there is no user {options['username']!r}: make one with manage.py createsuperuser"
            ) from None
        with transaction.atomic():
            TOTPDevice.objects.filter(user=user).delete()
            device = TOTPDevice.objects.create(user=user, name="authenticator app")
            for member in Membership.across_labs.filter(user_id=user.pk).order_by("lab_id"):
                audit.record(
                    lab=member.lab_id, actor="command enroll_totp", action="member.codes_renewed", object_type="user",
                    object_id=user.pk,
                )  # fmt: skip
        self.stdout.write(device.config_url)
