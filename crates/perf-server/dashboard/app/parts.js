// The pieces every view is made of: numbers in words, icons, tips, panels with their states, changes, toasts.
import { html, signal, useId, useLayoutEffect, useRef, useState } from "perfkit/ui";
import * as live from "perfkit/live";

// ---- numbers and times in words ------------------------------------------------------------------------

const LOCALE = navigator.language;
const grouped = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });
const plain = [0, 1, 2, 3].map((digits) => new Intl.NumberFormat(LOCALE, { minimumFractionDigits: digits, maximumFractionDigits: digits }));
const clock = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const clockShort = new Intl.DateTimeFormat(LOCALE, { hour: "2-digit", minute: "2-digit" });
const dated = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short" });
const exact = new Intl.DateTimeFormat(LOCALE, { dateStyle: "medium", timeStyle: "long" });

/** Three digits that matter, no more. */
function digits(value) {
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return grouped.format(value);
  if (size >= 10) return plain[1].format(value);
  return plain[size >= 0.01 ? 2 : 3].format(value);
}

const scaled = (value, steps) => {
  const [, unit, size] = steps.find(([from]) => Math.abs(value) >= from) ?? steps.at(-1);
  return [digits(value / size), unit];
};
const BYTES = [[2 ** 40, "TiB", 2 ** 40], [2 ** 30, "GiB", 2 ** 30], [2 ** 20, "MiB", 2 ** 20], [1024, "KiB", 1024], [0, "B", 1]];
const MILLIS = [[60_000, "min", 60_000], [1_000, "s", 1_000], [0.9995, "ms", 1], [0, "µs", 0.001]];

/** A value as `[number, unit]`, both for people. `null` is a dash: no data is not zero. */
export function words(value, unit) {
  if (value == null || !Number.isFinite(value)) return ["–", ""];
  switch (unit) {
    case "bytes": return scaled(value, BYTES);
    case "ms": return value === 0 ? ["0", "ms"] : scaled(value, MILLIS);
    case "%": return [value === 0 || value === 100 ? grouped.format(value) : plain[Math.abs(value) < 1 ? 2 : 1].format(value), "%"];
    case "points": return [grouped.format(value), "points"];
    case "count": return [count(value), ""];
    default: return [digits(value), unit ?? ""];
  }
}

/** The same as one piece of text, with a space that does not break. */
export function text(value, unit) {
  const [number, of] = words(value, unit);
  if (!of) return number;
  return of === "/s" ? `${number}/s` : `${number}\u00a0${of}`;
}

export const count = (value) => {
  if (value == null) return "–";
  return value >= 1e6 ? `${digits(value / 1e6)} M` : grouped.format(value);
};
export const many = (value, one, more = `${one}s`) => `${count(value)} ${value === 1 ? one : more}`;

export const timeOf = (seconds) => clock.format(seconds * 1000);
const midnight = (seconds) => new Date(seconds * 1000).getHours() === 0 && new Date(seconds * 1000).getMinutes() === 0;
/** A tick of the time axis: no more of the moment than tells it from its neighbours. */
export const timeOn = (seconds, length) => (length > 43_200 && midnight(seconds) ? dated : seconds % 60 === 0 ? clockShort : clock).format(seconds * 1000);
export const momentOf = (seconds) => exact.format(seconds * 1000);

/** A length of time in the words of the span picker: "5 min", "1 h", "1 h 30 min". */
export function lengthOf(seconds) {
  const parts = [];
  let rest = Math.round(seconds);
  for (const [size, unit] of [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]]) {
    const n = size === 86_400 && rest < 2 * size ? 0 : Math.floor(rest / size); // a day is "24 h", as the picker says
    if (n) parts.push(`${n}\u00a0${unit}`);
    rest -= n * size;
  }
  return parts.slice(0, 2).join(" ") || "0\u00a0s";
}
export const agoOf = (seconds) => (seconds < 2 ? "just now" : `${lengthOf(seconds).split(" ")[0]} ago`);

// ---- icons: paths in a box of 16, drawn with the text's colour -------------------------------------------

export const ICONS = {
  healthy: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM5 8.2l2.1 2.1L11 6.2",
  degraded: "M8 2 1.6 13.5h12.8L8 2ZM8 6.4v3.2M8 11.6v.1",
  unhealthy: "M5.3 1.5h5.4l3.8 3.8v5.4l-3.8 3.8H5.3l-3.8-3.8V5.3l3.8-3.8ZM5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4",
  unknown: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM6.2 6.3c.1-2.4 3.7-2.3 3.6 0 0 1.4-1.8 1.5-1.8 2.9M8 11.4v.1",
  info: "M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13ZM8 7.4v3.6M8 5v.1",
  up: "M8 12.5v-9M4.2 7.2 8 3.4l3.8 3.8",
  down: "M8 3.5v9M4.2 8.8 8 12.6l3.8-3.8",
  same: "M3.5 8h9",
  pause: "M5.5 3.5v9M10.5 3.5v9",
  play: "M5 3.2v9.6L12.6 8 5 3.2Z",
  auto: "M8 1.8a6.2 6.2 0 1 0 0 12.4V1.8ZM8 1.8a6.2 6.2 0 0 1 0 12.4",
  light: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6ZM8 1.2v1.3M8 13.5v1.3M1.2 8h1.3M13.5 8h1.3M3.2 3.2l.9.9M11.9 11.9l.9.9M3.2 12.8l.9-.9M11.9 4.1l.9-.9",
  dark: "M13.6 9.6A6 6 0 0 1 6.4 2.4a6 6 0 1 0 7.2 7.2Z",
  help: "M5.6 6c.1-3.2 4.9-3 4.8 0 0 1.9-2.4 2-2.4 3.8M8 12.5v.1",
  undo: "M3 6.5h6.5a3.5 3.5 0 0 1 0 7H6M5.8 3.5 2.8 6.5l3 3",
  knob: "M2 4.5h6.5M11.5 4.5H14M2 11.5h2.5M7.5 11.5H14M10 3v3M6 10v3",
  table: "M2 3h12v10H2V3ZM2 6.4h12M2 9.7h12M6.5 3v10",
  lock: "M4 7.2h8v6H4v-6ZM5.5 7V5.2a2.5 2.5 0 0 1 5 0V7",
  retry: "M13 8a5 5 0 1 1-1.6-3.7M13.2 2v3h-3",
};
const SOLID = new Set(["play"]);

export const Icon = ({ name, label }) => html`<svg class="icon ${SOLID.has(name) ? "solid" : ""}" viewBox="0 0 16 16"
  role=${label ? "img" : undefined} aria-label=${label} aria-hidden=${label ? undefined : "true"}><path d=${ICONS[name]} /></svg>`;

// ---- a tip: a sentence behind a question mark, for pointer, touch and keyboard ---------------------------

export function Tip({ label, children }) {
  const [open, setOpen] = useState(false);
  const bubble = useRef(null);
  const id = useId();
  useLayoutEffect(() => {
    if (!open || !bubble.current) return;
    const box = bubble.current.getBoundingClientRect();
    const over = box.right - (document.documentElement.clientWidth - 8);
    if (over > 0) bubble.current.style.translate = `${-over}px 0`;
  }, [open]);
  return html`<span class="tip" onKeyDown=${(e) => e.key === "Escape" && setOpen(false)}>
    <button type="button" class="tip-button" aria-label=${`About ${label}`} aria-expanded=${open} aria-controls=${id}
      onClick=${() => setOpen(!open)} onBlur=${() => setOpen(false)}><${Icon} name="help" /></button>
    <span id=${id} role="status" class="tip-space">${open && html`<span class="tip-bubble" ref=${bubble}>${children}</span>`}</span>
  </span>`;
}

// ---- a panel and its states ------------------------------------------------------------------------------

/** What every panel says while it has nothing to show: loading, failed, or what will appear and how. */
function state(feed, empty) {
  if (feed.data) return empty ? html`<div class="state">${empty}</div>` : null;
  if (feed.problem) {
    return html`<div class="state"><p><${Icon} name="degraded" /> Not loaded: ${feed.problem.message}</p>
      <button type="button" class="button small" onClick=${live.reconnect}><${Icon} name="retry" /> Try again</button></div>`;
  }
  return html`<div class="skeleton" role="status"><span class="hidden">Loading</span></div>`;
}

/** @param {{title: string, help?: string, tools?: any, note?: any, empty?: any, class?: string, level?: string, children: any}} props */
export function Panel({ title, help, tools, note, empty, class: name = "", children }) {
  const feed = live.feed.value;
  const old = live.age.value;
  const waiting = feed.data && feed.data.span_seconds !== live.span.value;
  const id = useId();
  return html`<section class="panel ${name} ${(old && live.playing.value) || waiting ? "old" : ""}" aria-labelledby=${id} aria-busy=${Boolean(waiting) || (!feed.data && !feed.problem)}>
    <header class="panel-head">
      <h2 id=${id}>${title}</h2>
      ${help && html`<${Tip} label=${title.toLowerCase()}>${help}<//>`}
      ${note && html`<span class="note">${note}</span>`}
      <span class="panel-tools">${old > 0 && html`<span class="chip">${lengthOf(old / 1000)} old</span>`}${tools}</span>
    </header>
    ${state(feed, empty) ?? children}
  </section>`;
}

// ---- what was just done, said once -----------------------------------------------------------------------

export const toasts = signal([]);
let told = 0;

export function tell(message, { kind = "info", action } = {}) {
  const toast = { id: told += 1, message, kind, action };
  toasts.value = [...toasts.value.slice(-2), toast];
  setTimeout(() => dismiss(toast.id), 10_000);
}
const dismiss = (id) => { toasts.value = toasts.value.filter((toast) => toast.id !== id); };

export const Toasts = () => html`<div class="toasts" role="status" aria-live="polite">
  ${toasts.value.map((toast) => html`<div class="toast ${toast.kind}" key=${toast.id}>
    <${Icon} name=${toast.kind === "problem" ? "degraded" : "healthy"} />
    <span>${toast.message}</span>
    ${toast.action && html`<button type="button" class="button small" onClick=${() => { dismiss(toast.id); toast.action.run(); }}>${toast.action.label}</button>`}
    <button type="button" class="button small quiet" onClick=${() => dismiss(toast.id)}>Dismiss</button>
  </div>`)}
</div>`;

// ---- knobs and their turns -------------------------------------------------------------------------------

/** The plain value of a knob in words. */
export function valueOf(value, kind) {
  switch (kind) {
    case "switch": return value ? "on" : "off";
    case "bytes": return text(Number(value), "bytes");
    case "duration": return value === 0 ? "0\u00a0s" : value < 1 ? text(value * 1000, "ms") : value % 1 ? text(value, "s") : lengthOf(value);
    case "count": return count(value);
    default: return typeof value === "number" ? digits(value) : String(value);
  }
}

const sentence = (name) => name.replaceAll("_", " ");
/** A knob's address in words: `memory/time_to_live` is "Memory time to live". */
export function knobName({ component, knob }) {
  const [what, ...of] = knob.split(":"); // "max_concurrent:page" is of the kind "page"
  const name = `${sentence(component)} ${sentence(what)}${of.length ? ` of ${of.join(":")}` : ""}`;
  return name[0].toUpperCase() + name.slice(1);
}

/** Puts a turn back and says so. */
export async function takeBack(event) {
  try {
    const { event: undone } = await live.undo(event.id);
    tell(`${knobName(event)} is ${undone.to_display} again`);
  } catch (problem) {
    tell(`Not undone: ${problem.message}`, { kind: "problem" });
  }
}

/** Recent turns of knobs, newest first, each with the way back. */
export function Changes({ events, limit = 6 }) {
  const now = live.now.value / 1000;
  const [all, setAll] = useState(false);
  const ordered = [...events].sort((a, b) => b.id - a.id);
  const shown = all ? ordered : ordered.slice(0, limit);
  return html`<ol class="changes">
    ${shown.map((event) => html`<li key=${event.id} class=${event.undone_by ? "undone" : ""}>
      <${Icon} name=${event.kind === "undo" ? "undo" : "knob"} label=${event.kind === "undo" ? "undo" : "turn"} />
      <div>
        <p class="change-what">${knobName(event)}</p>
        <p class="change-values">${event.from_display} <span aria-hidden="true">→</span><span class="hidden"> to </span> <b>${event.to_display}</b></p>
        <p class="muted"><time dateTime=${new Date(event.at * 1000).toISOString()} title=${momentOf(event.at)}>${agoOf(now - event.at)}</time>
          ${event.by ? ` by ${event.by}` : ""}${event.undone_by ? ", undone" : ""}</p>
      </div>
      ${event.kind === "turn" && !event.undone_by && live.signedIn.value
        && html`<button type="button" class="button small" aria-label=${`Undo: ${knobName(event)}`} onClick=${() => takeBack(event)}>Undo</button>`}
    </li>`)}
  </ol>
  ${ordered.length > limit && html`<button type="button" class="button small quiet" aria-expanded=${all} onClick=${() => setAll(!all)}>${all ? "Show fewer" : `Show all ${ordered.length}`}</button>`}`;
}
