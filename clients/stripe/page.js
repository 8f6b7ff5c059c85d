// Stripe's Payment Element inside our pay page. Loaded after https://js.stripe.com; see payments/static/payments/embedded.js.
"use strict";

window.paywrightEmbed = ({ place, token, publicKey, parameters, ready }) => {
  const stripe = window.Stripe(publicKey, parameters.stripe_account ? { stripeAccount: parameters.stripe_account } : {});
  const elements = stripe.elements({ clientSecret: token });
  const element = elements.create("payment");
  element.on("ready", ready);
  element.mount(place.appendChild(document.createElement("div")));
  return async () => {
    // Leaves for return_url when the card was taken; comes back with an error otherwise.
    const { error } = await stripe.confirmPayment({ elements, confirmParams: { return_url: parameters.return_url } });
    return error ? error.message : "";
  };
};
