"""The one place where a gateway is named, and only as a dotted string: a line here is what makes a gateway known.

A package of somebody else's needs no line: `core.gateways.registry` finds it by its entry point (`paywright.gateways`).
"""

from __future__ import annotations

from importlib.metadata import entry_points

# slug -> class
GATEWAYS: dict[str, str] = {
    "stripe": "clients.stripe.gateway.StripeGateway",
    "razorpay": "clients.razorpay.gateway.RazorpayGateway",
    "phonepe": "clients.phonepe.gateway.PhonePeGateway",
    "phonepev1": "clients.phonepev1.gateway.PhonePeV1Gateway",
    "paytabs": "clients.paytabs.gateway.PayTabsGateway",
    "pesopay": "clients.pesopay.gateway.PesoPayGateway",
    "square": "clients.square.gateway.SquareGateway",
    "nowpayments": "clients.nowpayments.gateway.NowPaymentsGateway",
}

# slug -> module:class of its local fake, which `clients.simulator` serves. Never imported in production. A package of
# somebody else's declares its own by an entry point, too (`paywright.simulators`).
SIMULATORS: dict[str, str] = {
    **{point.name: point.value for point in entry_points(group="paywright.simulators")},
    "stripe": "clients.stripe.simulator:StripeSimulator",
    "razorpay": "clients.razorpay.simulator:RazorpaySimulator",
    "phonepe": "clients.phonepe.simulator:PhonePeSimulator",
    "phonepev1": "clients.phonepev1.simulator:PhonePeV1Simulator",
    "paytabs": "clients.paytabs.simulator:PayTabsSimulator",
    "pesopay": "clients.pesopay.simulator:PesoPaySimulator",
    "square": "clients.square.simulator:SquareSimulator",
    "nowpayments": "clients.nowpayments.simulator:NowPaymentsSimulator",
}
