"""All HTTP with Tollbooth: authentication, and the class of every error. What is returned is a JSON object."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from core import strict_json
from core.gateways.errors import (
    GatewayError,
    GatewayMisconfigured,
    GatewayUnavailable,
    OutcomeUnknown,
    RequestRejected,
)
from core.http import Http, HttpRequest, HttpResponse, NoAnswer, NotSent
from tollbooth_gateway.config import API, Config

NOT_FOUND: Final = "not_found"
_CODE: Final = re.compile(r"[a-z][a-z_]{1,40}", re.ASCII)  # of theirs; a text could carry anything


class Client:
    """Every method raises the GatewayErrors and nothing else."""

    def __init__(self, config: Config, *, http: Http) -> None:
        self._config = config
        self._http = http

    def create_charge(self, body: Mapping[str, Any], *, idempotency_key: str) -> dict[str, Any]:
        return self._post("/v1/charges", body, idempotency_key)

    def get_charge(self, charge_id: str) -> dict[str, Any]:
        return self._get(f"/v1/charges/{_part(charge_id)}")

    def find_charges(self, reference: str) -> dict[str, Any]:
        return self._get(f"/v1/charges?{urlencode({'reference': reference})}")

    def create_refund(self, charge_id: str, body: Mapping[str, Any], *, idempotency_key: str) -> dict[str, Any]:
        return self._post(f"/v1/charges/{_part(charge_id)}/refunds", body, idempotency_key)

    def get_refund(self, refund_id: str) -> dict[str, Any]:
        return self._get(f"/v1/refunds/{_part(refund_id)}")

    def find_refunds(self, reference: str) -> dict[str, Any]:
        return self._get(f"/v1/refunds?{urlencode({'reference': reference})}")

    def get_account(self) -> dict[str, Any]:
        return self._get("/v1/account")

    def _post(self, path: str, body: Mapping[str, Any], idempotency_key: str) -> dict[str, Any]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": idempotency_key}
        return self._exchange("POST", path, headers, strict_json.dumps(body).encode())

    def _get(self, path: str) -> dict[str, Any]:
        return self._exchange("GET", path, {}, b"")

    def _exchange(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
        if not self._config.api_key:
            raise GatewayMisconfigured("no API key is set for this account")
        url = API[self._config.mode] + path
        known = {"Authorization": f"Bearer {self._config.api_key}", "Accept": "application/json", **headers}
        unlearned = unlearned_of(method)
        try:
            response = self._http.send(HttpRequest(method=method, url=url, headers=known, body=body))
        except NotSent:
            raise GatewayUnavailable("Tollbooth could not be reached") from None
        except NoAnswer:
            raise unlearned("Tollbooth did not answer") from None
        return _read(response, unlearned)


def unlearned_of(method: str) -> type[GatewayError]:
    """An answer that says nothing: of a write money may have moved, of a read nothing is known."""
    return OutcomeUnknown if method == "POST" else GatewayUnavailable


def _read(response: HttpResponse, unlearned: type[GatewayError]) -> dict[str, Any]:
    status, reason = response.status, f"Tollbooth answered {response.status}"
    if 200 <= status < 300:
        body = _object_of(response)
        if body is None:
            raise unlearned("the answer is not readable", http_status=status)
        return body
    code = _code_of(response)
    if status == 429:
        raise GatewayUnavailable(reason, http_status=status, retry_after_seconds=_retry_after(response))
    if status in {401, 403}:
        raise GatewayMisconfigured(f"{reason}: check the API key", http_status=status, gateway_code=code)
    if status == 404:
        raise RequestRejected(reason, code=NOT_FOUND, http_status=status, gateway_code=code)
    if status == 409:  # the same key with another body, or still at work on the first
        raise unlearned(reason, http_status=status, gateway_code=code)
    if 400 <= status < 500:
        raise RequestRejected(reason, http_status=status, gateway_code=code)
    raise unlearned(reason, http_status=status)


def _object_of(response: HttpResponse) -> dict[str, Any] | None:
    try:
        return strict_json.load_object(response.body)
    except strict_json.InvalidJSON:
        return None


def _code_of(response: HttpResponse) -> str | None:
    error = (_object_of(response) or {}).get("error")
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) and _CODE.fullmatch(code) else None


def _retry_after(response: HttpResponse) -> float | None:
    value = response.headers.get("retry-after", "")
    return float(value) if re.fullmatch(r"[0-9]{1,6}", value, re.ASCII) else None


def _part(name: str) -> str:
    return quote(name, safe="")
