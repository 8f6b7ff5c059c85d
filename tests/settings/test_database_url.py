from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from settings.database_url import read_database_url
from settings.email_url import read_email_url


def parts(url, **more):
    read = read_database_url(url, **more)
    return [read[name] for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME")]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://u:p@db.host:5433/n", ["u", "p", "db.host", "5433", "n"]),
        ("postgres://u@h/n", ["u", "", "h", "", "n"]),
        ("postgresql://u%40x:p%2F%3A%23@h:1/n%20m", ["u@x", "p/:#", "h", "1", "n m"]),
        ("postgresql://u:p@[::1]:5432/n", ["u", "p", "::1", "5432", "n"]),
        ("postgresql:///n", ["", "", "", "", "n"]),
        ("postgresql://u@%2FVar%2Frun/n", ["u", "", "/Var/run", "", "n"]),
    ],
)
def test_every_part_is_read_and_decoded(url, expected):
    assert parts(url) == expected


def test_options_of_the_query_reach_libpq_and_a_pool_is_bounded():
    assert read_database_url("postgresql://h/n?sslmode=require", pool_size=3)["OPTIONS"] == {
        "connect_timeout": 3,
        "sslmode": "require",
        "pool": {"min_size": 1, "max_size": 3, "timeout": 5},
    }
    assert read_database_url("postgresql://h/n?connect_timeout=9")["OPTIONS"] == {"connect_timeout": "9"}


def test_no_transaction_spans_a_request():
    assert read_database_url("postgresql://h/n")["ATOMIC_REQUESTS"] is False


@pytest.mark.parametrize("url", ["mysql://u:hunter2@h/n", "postgresql://h", "postgresql://h:hunter2/n", "hunter2"])
def test_what_is_no_postgresql_url_is_refused_without_showing_it(url):
    with pytest.raises(ImproperlyConfigured, match=r"^DATABASE_URL must look like") as refused:
        read_database_url(url)
    assert "hunter2" not in str(refused.value)


def test_mail_is_printed_unless_a_server_is_named():
    assert read_email_url(None) == {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}


def test_a_mail_server_is_read_with_its_kind_of_encryption():
    read = read_email_url("smtp://me%40x:p%2Fw@mail.host")
    assert [read[f"EMAIL_{name}"] for name in ("HOST", "PORT", "HOST_USER", "HOST_PASSWORD", "USE_TLS", "USE_SSL")] == [
        "mail.host", 587, "me@x", "p/w", True, False,
    ]  # fmt: skip
    read = read_email_url("smtps://mail.host")
    assert [read[f"EMAIL_{name}"] for name in ("PORT", "USE_TLS", "USE_SSL")] == [465, False, True]


@pytest.mark.parametrize("url", ["imap://hunter2@h", "smtp://", "smtp://h:hunter2"])
def test_what_is_no_mail_address_is_refused_without_showing_it(url):
    with pytest.raises(ImproperlyConfigured, match=r"^PAYWRIGHT_EMAIL_URL must look like") as refused:
        read_email_url(url)
    assert "hunter2" not in str(refused.value)
