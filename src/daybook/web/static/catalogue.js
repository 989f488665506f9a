// Looks for notebooks while somebody types, with the server's own search. Without this script the button does it.
"use strict";

const form = document.querySelector("form.search");
const PAUSE_MS = 120;
let waiting, asked;

async function find() {
  const query = new URLSearchParams([...new FormData(form)].filter(([, text]) => text));
  const url = query.size ? `${form.action}?${query}` : form.action;
  asked?.abort();
  asked = new AbortController();
  let answer;
  try {
    answer = await fetch(url, { signal: asked.signal, headers: { Accept: "text/html" } });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const found = page.getElementById("found");
    if (!found) throw new Error("no list");
    document.getElementById("found").replaceWith(document.adoptNode(found));
    history.replaceState(null, "", url);
  } catch (error) {
    if (error.name !== "AbortError") location.assign(url); // logged out, or no network: the browser says what
  }
}

function soon() {
  clearTimeout(waiting);
  waiting = setTimeout(find, PAUSE_MS);
}

form.addEventListener("input", soon);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(waiting);
  find();
});
form.querySelector("button").hidden = true;
