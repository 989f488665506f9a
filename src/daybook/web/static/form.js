// Makes the run form better: lists grow, boxes and JSON are checked while somebody types, the link is kept current.
// Without this script the form works too, and the server checks everything anyway.
"use strict";

// The form itself is never asked for anything: where an input is called `dataset` or `elements`, that is what the
// browser gives for the form's own property of that name.
const page = document.querySelector("main.form");
const fields = () => [...page.querySelectorAll(".field")];
const tell = (field, message, parts, wrong = () => true) => {
  const place = field.querySelector(".fault");
  if (place.textContent !== message) place.textContent = message;
  for (const part of parts) {
    if (message && wrong(part)) part.setAttribute("aria-invalid", "true");
    else part.removeAttribute("aria-invalid");
  }
};

// -- lists that grow -------------------------------------------------------------------------------------------------

const linesOf = (field) => [...field.querySelectorAll(".line input")];

function addLine(field) {
  const lines = linesOf(field);
  const copy = lines[lines.length - 1].parentElement.cloneNode(true);
  const input = copy.querySelector("input");
  const name = field.dataset.name;
  input.value = "";
  input.removeAttribute("aria-invalid");
  input.id = `f-${name}-${lines.length}`;
  input.setAttribute("aria-label", input.getAttribute("aria-label").replace(/\d+$/, lines.length + 1));
  field.querySelector(".lines").append(copy);
  return input;
}

function grow(field) {
  const lines = linesOf(field);
  if (lines[lines.length - 1].value) addLine(field);
}

function pasteLines(event, field) {
  const texts = event.clipboardData.getData("text/plain").split(/[\r\n]+/).map((text) => text.trim()).filter(Boolean);
  if (texts.length < 2) return;
  event.preventDefault();
  let input = event.target;
  for (const text of texts) {
    if (input.value) input = linesOf(field).find((line) => !line.value) ?? addLine(field);
    input.value = text;
  }
  grow(field);
  input.focus();
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

function lineKeys(event, field) {
  const lines = linesOf(field);
  const at = lines.indexOf(event.target);
  if (event.key === "Enter" && !event.isComposing && event.target.value) {
    event.preventDefault(); // the next field, not the whole form
    (lines[at + 1] ?? addLine(field)).focus();
  } else if (event.key === "Backspace" && !event.target.value && at > 0) {
    event.preventDefault();
    lines[at - 1].focus();
  }
}

function setUpLines(field) {
  const lines = linesOf(field);
  const used = lines.filter((line) => line.value).length;
  for (const line of lines.slice(Math.max(used + 1, 1))) line.parentElement.remove();
  field.addEventListener("input", () => grow(field));
  field.addEventListener("keydown", (event) => event.target.matches(".line input") && lineKeys(event, field));
  field.addEventListener("paste", (event) => event.target.matches(".line input") && pasteLines(event, field));
}

// -- boxes -----------------------------------------------------------------------------------------------------------

const NUMBER = /^-?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;

function boxFault(sides) {
  for (const side of sides) {
    const text = side.value.trim(), name = side.name.split(".").pop(), most = Number(side.dataset.most);
    if (text === "") continue;
    if (!NUMBER.test(text)) return [`${name} must be a number`, side];
    if (Math.abs(Number(text)) > most) return [`${name} must be between −${most} and ${most}`, side];
  }
  const [west, south, east, north] = sides.map((side) => (side.value.trim() === "" ? NaN : Number(side.value)));
  if (south >= north) return ["south must be below north", sides[1], sides[3]];
  if (west === east || (west === 180 && east === -180)) return ["west and east must differ", sides[0], sides[2]];
  return ["", ...[]];
}

function setUpBox(field) {
  const sides = [...field.querySelectorAll(".sides input")];
  field.addEventListener("input", () => {
    const [message, ...wrong] = boxFault(sides);
    tell(field, message, sides, (side) => wrong.includes(side));
  });
  field.addEventListener("focusout", (event) => {
    if (field.contains(event.relatedTarget)) return;
    const empty = sides.filter((side) => side.value.trim() === "");
    if (empty.length && empty.length < sides.length) {
      tell(field, `${empty.map((side) => side.name.split(".").pop()).join(", ")} must be filled in too`, sides,
        (side) => empty.includes(side));
    }
  });
  field.addEventListener("paste", (event) => {
    const parts = event.clipboardData.getData("text/plain").trim().replace(/^\[|\]$/g, "").split(/[\s,;]+/);
    if (parts.length !== 4) return;
    event.preventDefault();
    sides.forEach((side, at) => { side.value = parts[at]; });
    sides[0].dispatchEvent(new Event("input", { bubbles: true }));
  });
}

// -- JSON ------------------------------------------------------------------------------------------------------------

function jsonFault(text, kind) {
  if (text.trim() === "") return "";
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `is not JSON: ${error.message}`;
  }
  if (kind === "array" && !Array.isArray(value)) return "must be a list, as in [1, 2]";
  if (kind === "object" && (value === null || typeof value !== "object" || Array.isArray(value))) {
    return 'must be an object, as in {"name": 1}';
  }
  return "";
}

function setUpJson(area) {
  const field = area.closest(".field");
  area.addEventListener("input", () => tell(field, jsonFault(area.value, area.dataset.json), [area]));
}

// -- what the browser cannot read ------------------------------------------------------------------------------------

// Such a field is as good as empty to the browser: half a date, a day that no month has, `1e`. Sent, it would mean the
// default, and look as if it meant what stands in it.

const UNREAD = {
  number: "is not a number yet",
  date: "is not a whole date yet",
  "datetime-local": "is not a whole date and time yet",
};

function tellUnread(input) {
  const isTold = input.dataset.unread !== undefined, isUnread = input.validity.badInput;
  if (isTold || isUnread) tell(input.closest(".field"), isUnread ? UNREAD[input.type] : "", [input]);
  if (isUnread) input.dataset.unread = "";
  else delete input.dataset.unread;
  return isUnread;
}

function setUpReading(input) {
  input.addEventListener("blur", () => tellUnread(input));
  input.addEventListener("input", () => input.dataset.unread !== undefined && tellUnread(input));
}

// -- sliders ---------------------------------------------------------------------------------------------------------

function setUpSlider(number) {
  const slider = document.createElement("input");
  const { min, max, step } = number;
  Object.assign(slider, { type: "range", min, max, step: step === "any" ? (max - min) / 200 : step });
  slider.setAttribute("aria-label", `${number.labels[0].textContent.trim()}, slider`);
  slider.value = number.value || min;
  slider.addEventListener("input", () => {
    number.value = slider.value;
    number.dispatchEvent(new Event("input", { bubbles: true }));
  });
  number.addEventListener("input", () => { if (number.value) slider.value = number.value; });
  number.after(slider);
}

// -- workspaces: only what holds in the chosen one is told ------------------------------------------------------------

function setUpWorkspace(choice) {
  const show = () => {
    for (const hint of page.querySelectorAll("[data-workspace]")) {
      hint.hidden = choice.value !== "" && hint.dataset.workspace !== choice.value;
    }
    for (const group of page.querySelectorAll("optgroup")) group.disabled = choice.value !== "" && group.label !== choice.value;
  };
  choice.addEventListener("change", show);
  show();
}

// -- the link --------------------------------------------------------------------------------------------------------

function textsOf(field) {
  const texts = [...field.querySelectorAll("input, select, textarea")].filter((each) => each.name && !each.disabled)
    .filter((each) => !["checkbox", "radio"].includes(each.type) || each.checked).map((each) => each.value);
  switch (field.dataset.widget) {
    case "checkbox": return texts.slice(-1);
    case "bbox": return texts.some((text) => text.trim()) ? [texts.map((text) => text.trim()).join(",")] : [];
    case "datetime": return texts.filter(Boolean).map((text) => (field.querySelector("input").type === "text" ? text : `${text}Z`));
    case "lines": case "checkboxes": {
      const held = texts.filter(Boolean);
      return held.length > 1 && held[0] === "[]" ? held.slice(1) : held;
    }
    default: return texts.filter(Boolean);
  }
}

function pairsOf(field) {
  const texts = textsOf(field);
  if (field.dataset.widget !== "further") return texts.map((text) => [field.dataset.name, text]);
  try {
    return Object.entries(JSON.parse(texts[0])).map(([name, value]) => [name, JSON.stringify(value)]);
  } catch {
    return [];
  }
}

// As encodeURIComponent, but what a query may hold as it is stays readable: 1,2,3,4 and https://example.org.
const encoded = (text) => encodeURIComponent(text).replace(/%(2C|3A|2F)/g, decodeURIComponent);

function link() {
  const query = fields().flatMap(pairsOf).map((pair) => pair.map(encoded).join("=")).join("&");
  return query ? `${page.dataset.base}?${query}` : page.dataset.base;
}

function setUpLink() {
  const shown = document.getElementById("link"), copy = document.getElementById("copy"), said = document.getElementById("copied");
  const renew = () => { shown.value = link(); said.textContent = ""; };
  page.addEventListener("input", renew);
  page.addEventListener("change", renew);
  renew();
  shown.addEventListener("focus", () => shown.select());
  copy.hidden = false;
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(shown.value);
      said.textContent = "Copied.";
    } catch {
      shown.focus();
      said.textContent = "The browser does not let pages copy here: copy the marked text yourself.";
    }
  });
}

// -- faults lead to their fields, also to those in a closed part -------------------------------------------------------------------

function goTo(event) {
  const to = document.getElementById(decodeURIComponent(event.target.hash.slice(1)));
  if (!to) return;
  event.preventDefault();
  show(to);
}

function show(to) {
  for (let around = to.closest("details"); around; around = around.parentElement.closest("details")) around.open = true;
  const inner = to.matches("fieldset") ? to.querySelector("input:not([type=hidden])") : to;
  (inner ?? to).focus();
}

function setUpProblems(problems) {
  problems.addEventListener("click", (event) => event.target.matches("a[href^='#']") && goTo(event));
}

const native = [...page.querySelectorAll(Object.keys(UNREAD).map((type) => `input[type=${type}]`).join())];
native.forEach(setUpReading);
for (const field of page.querySelectorAll(".field.lines")) setUpLines(field);
for (const field of page.querySelectorAll(".field.bbox")) setUpBox(field);
page.querySelectorAll("[data-json]").forEach(setUpJson);
page.querySelectorAll("[data-slider]").forEach(setUpSlider);
if (page.querySelector("select[name=workspace]")) setUpWorkspace(page.querySelector("select[name=workspace]"));
setUpLink();
const problems = document.getElementById("problems");
if (problems) setUpProblems(problems);
page.addEventListener("submit", (event) => {
  const unread = native.filter(tellUnread);
  if (unread.length) {
    event.preventDefault();
    show(unread[0]);
    return;
  }
  const button = page.querySelector("button[type=submit]");
  setTimeout(() => { button.disabled = true; }); // a second click would be a second run
});
addEventListener("pageshow", () => { page.querySelector("button[type=submit]").disabled = false; });
