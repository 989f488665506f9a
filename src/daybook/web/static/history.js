// Shows newer runs once the server has looked for them. Without this script the link "Look again" does it.
"use strict";
(() => {
  const FIRST_MS = 300;
  const MOST_MS = 1000;
  const MOST = 10;
  const found = () => document.getElementById("found");
  let times = 0;

  // What somebody has ticked, or goes through by keyboard, is not taken from under their hands.
  const isInUse = () => found().contains(document.activeElement) || found().querySelector("input:checked") !== null;

  async function look() {
    if (document.hidden || isInUse()) return soon();
    times += 1;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const newer = page.getElementById("found");
      if (newer && !isInUse()) found().replaceWith(document.adoptNode(newer));
    } catch {
      return; // no network: what is shown stays, with the link
    }
    soon();
  }

  function soon() {
    if (times < MOST && found().querySelector("[data-again]")) setTimeout(look, Math.min(FIRST_MS * (times + 1), MOST_MS));
  }

  soon();
})();
