// Takes the key out of the address and the history, and posts it.
const key = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
if (key) {
  const form = document.getElementById("enter");
  form.elements.key.value = key;
  form.submit();
} else {
  document.getElementById("none").hidden = false;
}
