// Keeps the page of a run that goes on up to date: by server-sent events, else by asking again and again.
// Whatever a run says is put in as text, never as markup.
"use strict";
(() => {
  const main = document.getElementById("main");
  const address = main.dataset.events;
  if (!address) return;

  const POLL_MS = 3000;
  const MOST_ERRORS = 5;
  const STATES = ["queued", "running", "succeeded", "failed", "interrupted", "lost"];
  const place = name => main.querySelector(`[data-live="${name}"]`);
  const words = text => String(text).replaceAll("_", " ");
  const ahead = Date.now() - Date.parse(main.dataset.now);
  // Not where the window is: what a button could not do is told on the same page, at the button's own address.
  const records = `${main.dataset.page}/manifest.json`;
  const name = document.title.split(" · ").slice(0, -2).join(" · ");
  let source = null, poll = null, errors = 0, isOver = false;
  let started = main.dataset.started, expected = null, state = main.dataset.state;

  function put(name, text) {
    const node = place(name);
    if (!node) return;
    if (node.textContent !== text) node.textContent = text;
    if ("message source printed trouble".includes(name)) node.hidden = !text;
  }

  function took(seconds) {
    if (seconds < 59.5) return `${Math.round(seconds)} s`;
    const minutes = Math.floor(Math.round(seconds) / 60);
    if (minutes < 60) return `${minutes} min ${Math.round(seconds) % 60} s`;
    return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }

  function tick() {
    const about = expected === null ? "" : took(expected);
    const since = (Date.now() - ahead - Date.parse(started)) / 1000;
    if (state === "running" && since >= 0) put("timing", `for ${took(since)}${about && ` of about ${about}`}`);
  }

  function showCells({cells, spark}) {
    const bar = place("bar");
    if (!bar || !cells || !cells.total) return;
    const working = cells.current === null ? 0 : 1;
    const done = cells.succeeded + cells.interrupted + cells.failed + working;
    const counts = {...cells, running: working, rest: Math.max(0, cells.total - done)};
    for (const part of bar.children) {
      const count = counts[part.className];
      part.hidden = !count;
      part.style.flex = String(count);
    }
    if (cells.total > 1 && cells.total <= 80) bar.style.setProperty("--cells", cells.total);
    const others = ["failed", "interrupted", "skipped"].filter(each => cells[each]).map(each => `, ${cells[each]} ${each}`);
    const text = `${cells.succeeded} of ${cells.total} cells succeeded${others.join("")}`;
    bar.setAttribute("aria-label", text);
    const {tasks_done: ended, tasks} = (working && spark && spark.progress) || {};
    const on = tasks ? `; Spark: ${ended}/${tasks} tasks` : "";
    put("cells", text + (working ? `; cell ${cells.current} is running${on}` : ""));
  }

  function showCell(run) {
    const node = place("cell");
    // A manifest, which polling reads, does not tell of the cell: what is shown of it stays.
    if (!node || run.cell === undefined) return;
    node.hidden = run.cell === null || (run.cell.source === null && !run.cell.printed);
    if (node.hidden) return;
    put("cell-title", `Cell ${run.cell.index} is running`);
    put("source", run.cell.source || "");
    const printed = place("printed");
    const isAtEnd = printed.scrollTop + printed.clientHeight >= printed.scrollHeight - 8;
    put("printed", run.cell.printed);
    if (isAtEnd) printed.scrollTop = printed.scrollHeight;
  }

  function show(run) {
    put("trouble", run.trouble ? `Nothing newer is known just now: ${run.trouble}` : "");
    if (run.trouble || isOver) return;
    if (run.gone) {
      put("message", "This run left no record, and Airflow does not hold it any more: it was refused or ended before it began.");
      put("state", "ended without a record");
      document.title = `${name} · ended · Daybook`;
      main.querySelector(".confirm")?.remove(); // there is nothing to cancel any more
      return finish("This run has ended without a record");
    }
    if (!STATES.includes(run.state)) return;
    if (run.state !== state) put("said", `The run is ${run.state}`);
    if (run.sealed || run.attempt !== Number(main.dataset.attempt)) return anew(run);
    state = run.state;
    started = run.timings.started_at || started;
    if (run.expected_seconds !== undefined) expected = run.expected_seconds;
    main.classList.remove(...STATES);
    main.classList.add(state);
    document.title = `${name} · ${state} · Daybook`;
    put("state", run.reason ? `${state} · ${words(run.reason)}` : state);
    if (run.message) put("message", run.message);
    showCells(run);
    showCell(run);
    tick();
  }

  // The record is whole, or another attempt is at work: the page as the server makes it shows all of it.
  function anew(run) {
    finish(`The run has ${run.sealed ? `ended: ${run.state}` : "begun"}`);
    location.replace(main.dataset.page);
  }

  function finish(text) {
    isOver = true;
    rest();
    put("said", text);
  }

  function rest() {
    if (source) source.close();
    clearTimeout(poll);
    source = poll = null;
  }

  function listen() {
    rest();
    errors = 0;
    source = new EventSource(address);
    source.addEventListener("state", event => { errors = 0; show(JSON.parse(event.data)); });
    source.addEventListener("end", rest);
    source.addEventListener("error", () => {
      // It comes again by itself unless it was refused.
      errors += 1;
      if (source && (source.readyState === EventSource.CLOSED || errors > MOST_ERRORS)) { rest(); ask(); }
    });
  }

  async function ask() {
    try {
      const answer = await fetch(records, {headers: {Accept: "application/json"}});
      if (answer.status === 401) { put("trouble", "You are not logged in any more: load the page anew."); return; }
      if (answer.ok) show(await answer.json());
    } catch {
      put("trouble", "The server does not answer just now; this page asks again.");
    }
    if (!isOver && !document.hidden) poll = setTimeout(ask, POLL_MS);
  }

  // Browsers hold few connections to one server: a page that nobody sees gives its own up.
  document.addEventListener("visibilitychange", () => { if (isOver) return; if (document.hidden) rest(); else listen(); });
  addEventListener("pagehide", rest);
  setInterval(tick, 1000);
  if (!document.hidden) listen();
})();
