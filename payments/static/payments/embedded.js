// Mounts a gateway's own form. What is particular to the gateway stands in its package: page.js there defines
// paywrightEmbed({place, token, publicKey, parameters, ready}) and returns a function that pays; it resolves to a
// sentence for the customer, or to nothing when the browser is leaving.
"use strict";

(() => {
  const form = document.getElementById("embedded-form");
  const button = document.getElementById("embedded-pay");
  const problem = document.getElementById("embedded-problem");
  const place = document.getElementById("embedded-place");
  if (!form) return;

  const say = (text) => {
    problem.textContent = text;
    problem.hidden = !text;
  };
  const fail = () => {
    place.replaceChildren();
    place.setAttribute("aria-busy", "false");
    say("The payment form could not be loaded. Check your connection and load this page again.");
  };

  let pay;
  try {
    const given = JSON.parse(document.getElementById("embedded").textContent);
    const ready = () => {
      place.querySelector(".quiet")?.remove();
      place.setAttribute("aria-busy", "false");
      button.disabled = false;
    };
    pay = window.paywrightEmbed({ place, ready, ...given });
  } catch (error) {
    fail();
    return;
  }
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    say("");
    try {
      say((await pay()) || "");
    } catch (error) {
      say("The payment could not be sent. Try again.");
    }
    button.disabled = false;
  });
})();
