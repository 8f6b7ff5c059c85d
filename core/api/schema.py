"""What every endpoint's OpenAPI description shares: the bearer token, the Idempotency-Key header, problems, lists."""

from __future__ import annotations

from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from core.api.pagination import DEFAULT_LIMIT, MAX_LIMIT
from core.api.problems import CONTENT_TYPE


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Found by drf-spectacular through its `target_class`."""

    target_class = "core.api.authentication.ApiKeyAuthentication"
    name = "apiKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "pw_live_... or pw_test_...",
            "description": "An API key of a lab. The key decides the lab and the mode.",
        }


class ProblemErrorSerializer(serializers.Serializer[Any]):
    """One field that was refused."""

    field = serializers.CharField(help_text="Dotted name, like customer.email")
    code = serializers.CharField()
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """Problem details (RFC 9457)."""

    type = serializers.CharField(default="about:blank")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(help_text="A sentence that says what to do")
    code = serializers.CharField(help_text="Stable; for programs")
    retryable = serializers.BooleanField(help_text="Whether the same request may succeed later")
    request_id = serializers.CharField(required=False, help_text="As in the header X-Request-Id; absent from a 404")


# `errors` is a name that serializers keep for themselves.
ProblemSerializer._declared_fields["errors"] = ProblemErrorSerializer(many=True, required=False)


IDEMPOTENCY_KEY: Final = OpenApiParameter(
    name="Idempotency-Key",
    type=OpenApiTypes.STR,
    location=OpenApiParameter.HEADER,
    required=True,
    description="1 to 255 visible ASCII characters, new for each operation. A repeat gets the first answer again.",
)
LIMIT: Final = OpenApiParameter(
    name="limit", type=OpenApiTypes.INT, description=f"1 to {MAX_LIMIT}; {DEFAULT_LIMIT} where it is absent."
)
CURSOR: Final = OpenApiParameter(name="cursor", type=OpenApiTypes.STR, description="next_cursor of the page before.")


def problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """Responses of an endpoint beside its good one, for `extend_schema(responses={...} | problems(404, 409))`.

    400 and 401 can happen anywhere and are always among them.
    """
    return {
        (status, CONTENT_TYPE): OpenApiResponse(response=ProblemSerializer) for status in sorted({400, 401, *statuses})
    }
