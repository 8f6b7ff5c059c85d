from tests.payments.admin.test_codes import *
def test_x(owner, clock):
    b, r = log_in(owner, otp_token=code_of(owner, clock["now"]))
    print(type(r.context["form"]), r.context["form"].errors, r.context["form"].data)
    assert 0
