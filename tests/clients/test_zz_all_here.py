import importlib, pytest
from core.gateways.contract import GatewayContract
CASES=[]
for s in ("stripe","nowpayments","razorpay","phonepe","paytabs","square"):
    try: CASES.append(importlib.import_module(f"tests.clients.{s}.case").CASE)
    except ModuleNotFoundError: pass
@pytest.mark.parametrize("case", CASES, ids=lambda c:c.slug)
class TestAll(GatewayContract): ...
