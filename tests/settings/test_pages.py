"""Headers of pages: strict everywhere, with the admin's exceptions inside the admin."""

from __future__ import annotations

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from settings.pages import PagePolicyMiddleware


def answer(path, response=None):
    return PagePolicyMiddleware(lambda request: response or HttpResponse("page"))(RequestFactory().get(path))


def policy(response):
    return dict(part.split(" ", 1) for part in response["Content-Security-Policy"].split("; "))


def test_a_page_runs_no_script_but_its_own_and_is_framed_by_nobody():
    assert policy(answer("/pay/x")) == {
        "default-src": "'self'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "object-src": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }


def test_the_admin_may_evaluate_and_is_still_framed_by_nobody():
    read = policy(answer("/admin/core/lab/"))
    assert read["script-src"] == "'self' 'unsafe-eval'"
    assert read["form-action"] == "'self'"
    assert (read["object-src"], read["base-uri"], read["frame-ancestors"]) == ("'none'",) * 3


@pytest.mark.parametrize("path", ["/adminx/", "/pay/admin/", "/v1/payments"])
def test_no_other_page_gets_the_exceptions_of_the_admin(path):
    response = answer(path)
    assert "unsafe" not in response["Content-Security-Policy"]
    assert "Referrer-Policy" not in response  # SecurityMiddleware sets no-referrer


def test_a_nonce_that_a_page_used_is_in_its_policy():
    used = []

    def view(request):
        used.append(str(request.csp_nonce))
        return HttpResponse("page")

    response = PagePolicyMiddleware(view)(RequestFactory().get("/pay/x"))
    assert policy(response)["script-src"] == f"'self' 'nonce-{used[0]}'"


def test_the_admin_sends_its_own_origin_a_referrer_so_that_forms_pass_the_csrf_check():
    assert answer("/admin/login/")["Referrer-Policy"] == "same-origin"
