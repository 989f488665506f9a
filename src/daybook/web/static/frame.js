// In Airflow our pages stand in a frame that may neither lead its window elsewhere nor open another one. A link that is
// meant to leave the frame is therefore followed by the window around it, which is of our own origin.
(() => {
  "use strict";
  if (window.top === window.self) return;
  document.documentElement.classList.add("framed");
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest('a[target="_top"]') : null;
    if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const outside = around();
    if (!outside) return;
    event.preventDefault();
    const way = outside.createElement("a");
    way.href = link.href;
    way.click();
  });

  function around() {
    try {
      return window.top.document;
    } catch {
      return null; // somebody else's page: the browser decides where the link may lead
    }
  }
})();
