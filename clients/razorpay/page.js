// Razorpay Checkout over our pay page. Loaded after https://checkout.razorpay.com; see payments/static/payments/embedded.js.
"use strict";

window.paywrightEmbed = ({ token, publicKey, parameters, ready }) => {
  // Options by the names of checkout.js; "prefill[email]" is a nested one, "true" a boolean.
  const options = { key: publicKey, order_id: token, redirect: false };
  for (const [name, text] of Object.entries(parameters)) {
    const value = text === "true" ? true : text;
    const [, outer, inner] = /^(\w+)\[(\w+)\]$/.exec(name) || [];
    if (outer) (options[outer] ??= {})[inner] = value;
    else if (name !== "callback_url") options[name] = value;
  }
  // An order that was found again does not know its return address: it is the one below this page.
  const back = parameters.callback_url || `${location.origin}${location.pathname.replace(/\/$/, "")}/return`;
  const bring = (answer) => {
    // As Razorpay's own callback does it: the three signed values, posted to the return address.
    const form = document.createElement("form");
    form.method = "post";
    form.action = back;
    for (const name of ["razorpay_payment_id", "razorpay_order_id", "razorpay_signature"]) {
      const field = document.createElement("input");
      field.type = "hidden";
      field.name = name;
      field.value = answer[name] || "";
      form.append(field);
    }
    document.body.append(form);
    form.submit();
  };
  ready();
  return () =>
    new Promise((resolve) => {
      const closed = { ondismiss: () => resolve("") };
      // The form itself says what failed and lets the customer try again, until it is closed.
      new window.Razorpay({ ...options, handler: bring, modal: closed }).open();
    });
};
