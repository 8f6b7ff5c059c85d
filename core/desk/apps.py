"""The admin with our site in place of Django's."""

from __future__ import annotations

from django.contrib.admin.apps import AdminConfig


class DeskAdminConfig(AdminConfig):
    default_site = "core.desk.site.DeskSite"
