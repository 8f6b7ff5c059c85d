"""Make a tenant from the command line."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from core import labs


class Command(BaseCommand):
    """The same service as everywhere; leaves an audit row."""

    help = "Make a lab, with an owner if a user name is given."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument("--slug", default="")
        parser.add_argument("--timezone", default="UTC", help="IANA name, like Asia/Kolkata")
        parser.add_argument(
            "--return-origin", action="append", default=[], help="like https://shop.example; repeatable"
        )
        parser.add_argument("--owner", help="user name of an existing user")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lab = labs.create_lab(
                name=options["name"],
                slug=options["slug"],
                timezone=options["timezone"],
                return_origins=options["return_origin"],
                owner=_user(options["owner"]),
                actor="command create_lab",
            )
        except labs.InvalidLab as error:
            raise CommandError(error.detail) from None
        self.stdout.write(lab.slug)


def _user(name: str | None) -> Any:
    if name is None:
        return None
    model = get_user_model()
    try:
        return model._default_manager.get_by_natural_key(name)
    except model.DoesNotExist:
        raise CommandError(f"there is no user {name!r}: make one with manage.py createsuperuser") from None
