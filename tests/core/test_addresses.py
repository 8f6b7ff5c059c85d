from __future__ import annotations

import pytest
from django.test import RequestFactory

from core.addresses import client_address


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, None, "192.0.2.1"),
        (0, "198.51.100.9", "192.0.2.1"),  # nobody in front: the header is the client's own invention
        (1, "198.51.100.9", "198.51.100.9"),
        (1, "203.0.113.5, 198.51.100.9", "198.51.100.9"),  # the first is what the client claims
        (2, "203.0.113.5, 198.51.100.9, 198.51.100.2", "198.51.100.9"),
        (2, "198.51.100.9", "192.0.2.1"),  # it did not pass both
        (1, None, "192.0.2.1"),
        (1, "2001:DB8::1", "2001:db8::1"),
        (1, "'; drop table", "192.0.2.1"),
    ],
)
def test_the_address_is_what_the_outermost_trusted_proxy_saw(settings, proxies, forwarded, expected):
    settings.TRUSTED_PROXIES = proxies
    headers = {} if forwarded is None else {"HTTP_X_FORWARDED_FOR": forwarded}
    assert client_address(RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", **headers)) == expected
