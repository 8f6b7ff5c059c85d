/* Copy buttons of the desk: data-copy names the field whose text is copied. */
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  const before = button.textContent;
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    field.select(); // no clipboard without https, or refused: the old way
    document.execCommand("copy");
  }
  button.textContent = button.dataset.done;
  setTimeout(() => (button.textContent = before), 1500);
});
