// What the cache has learnt: what more memory would bring, what other policies would have hit, which keys are
// hot; and forgetting some of them. Asked for on its own, since it is worth more than a line of the live feed.
import { html, useEffect, useId, useLayoutEffect, useRef, useState } from "perfkit/ui";
import * as live from "perfkit/live";
import { Icon, Panel, count, lengthOf, many, tell, text } from "perfkit/parts";
import { Purgers } from "perfkit/purging";

const CACHE = "memory";
const ADDRESS = `/api/performance/caching/${CACHE}`;
const EVERY_MS = 5_000;
const percent = (share) => (share == null ? "–" : text(share * 100, "%"));
const size = (value, unit) => (unit === "bytes" ? text(value, "bytes") : many(Math.round(value), "entry", "entries"));

/** Asks while the page is looked at and not paused; keeps what it last heard. */
function useReport(order) {
  const [state, setState] = useState({ data: null, problem: null });
  const playing = live.playing.value;
  const refresh = useRef(() => {});
  useEffect(() => {
    let over = false;
    let timer;
    const ask = async () => {
      clearTimeout(timer);
      try {
        const data = document.hidden ? null : await live.ask(`${ADDRESS}?order=${order}`);
        if (!over && data) setState({ data, problem: null });
      } catch (problem) {
        if (!over) setState((before) => ({ ...before, problem }));
      }
      if (!over && playing) timer = setTimeout(ask, EVERY_MS);
    };
    refresh.current = ask;
    ask();
    return () => { over = true; clearTimeout(timer); };
  }, [order, playing]);
  return [state, () => refresh.current()];
}

/** A panel of its own feed: nothing yet, failed, or what is known. */
const body = ({ data, problem }, what) => {
  if (data) return what(data);
  if (problem) return html`<div class="state"><p><${Icon} name="degraded" /> Not loaded: ${problem.message}</p></div>`;
  return html`<div class="skeleton" role="status"><span class="hidden">Loading</span></div>`;
};

// ---- the curve -------------------------------------------------------------------------------------------

const HIGH = 220;
const EDGE = { left: 48, right: 16, top: 28, bottom: 28 };

/** Hit ratio by capacity, on a scale where each step doubles the memory. */
function Curve({ report, width }) {
  const { curve, marks, unit } = report;
  const all = [...curve, ...marks].map(({ capacity }) => capacity).filter((capacity) => capacity > 0);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const inside = width - EDGE.left - EDGE.right;
  const tall = HIGH - EDGE.top - EDGE.bottom;
  const x = (capacity) => EDGE.left + (high > low ? (Math.log2(capacity / low) / Math.log2(high / low)) * inside : inside / 2);
  const y = (ratio) => EDGE.top + (1 - ratio) * tall;
  const points = curve.filter(({ capacity }) => capacity > 0).map(({ capacity, hit_ratio: ratio }) => `${x(capacity).toFixed(1)} ${y(ratio).toFixed(1)}`);
  let free = -Infinity;
  return html`<svg class="curve" width=${width} height=${HIGH} role="img" aria-label=${`Hit ratio by capacity. ${sentence(report)}`}>
    ${[0, 0.25, 0.5, 0.75, 1].map((ratio) => html`<line class="grid" x1=${EDGE.left} x2=${width - EDGE.right} y1=${y(ratio)} y2=${y(ratio)} /><text class="tick" x=${EDGE.left - 8} y=${y(ratio) + 4} text-anchor="end">${ratio * 100} %</text>`)}
    <path class="area" d=${`M${x(curve[0].capacity)} ${y(0)}L${points.join("L")}L${x(curve.at(-1).capacity)} ${y(0)}Z`} />
    <path class="line" d=${`M${points.join("L")}`} />
    ${marks.map((mark) => {
      const at = x(mark.capacity);
      const label = `${mark.title} ${percent(mark.hit_ratio)}`;
      const wide = label.length * 6.6;
      const from = Math.min(Math.max(at - wide / 2, EDGE.left), width - EDGE.right - wide);
      const shown = width > 480 ? from > free : mark.title === "today";
      if (shown) free = from + wide + 8;
      return html`<g class=${`mark ${mark.title === "today" ? "today" : ""}`}><line x1=${at} x2=${at} y1=${EDGE.top} y2=${HIGH - EDGE.bottom} /><circle cx=${at} cy=${y(mark.hit_ratio)} r="4" />
        ${shown && html`<text x=${from} y=${EDGE.top - 12}>${label}</text>`}
        <text class="tick" x=${at} y=${HIGH - 8} text-anchor="middle">${width > 480 || mark.title === "today" ? size(mark.capacity, unit) : ""}</text></g>`;
    })}
  </svg>`;
}

/** The question people have, answered. */
function sentence({ marks }) {
  const named = Object.fromEntries(marks.map((mark) => [mark.title, mark]));
  const { today, twice, half } = named;
  if (!today || !twice) return "";
  const gain = (twice.hit_ratio - today.hit_ratio) * 100;
  const lost = half ? (today.hit_ratio - half.hit_ratio) * 100 : null;
  const more = gain < 0.5 ? "Twice the memory would hardly help" : `Twice the memory would give ${percent(twice.hit_ratio)} instead of ${percent(today.hit_ratio)}`;
  const less = lost == null ? "" : lost < 0.5 ? "; half of it would do" : `; half of it ${percent(half.hit_ratio)}`;
  return `${more}${less}.`;
}

/** The curve, as wide as there is room. */
function CurveBox({ report }) {
  const box = useRef(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    setWidth(box.current.clientWidth);
    const watcher = new ResizeObserver(([entry]) => setWidth(Math.round(entry.contentRect.width)));
    watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);
  return html`<div class="curve-box" ref=${box}>${width > 0 && html`<${Curve} report=${report} width=${width} />`}</div>`;
}

const CurvePanel = ({ state }) => html`<${Panel} title="What more memory would bring" class="curve-panel" help="The hit ratio that a cache of each size would have, estimated from a sample of all keys (SHARDS) and fitted to what is measured today.">
  ${body(state, ({ report }) => (report.curve.length > 1 ? html`
    <p class="verdict">${sentence(report)}</p>
    <${CurveBox} report=${report} />
    <p class="muted">From ${many(report.sampled, "key")} that ${report.sampled === 1 ? "is" : "are"} watched${report.sampled_share ? `, ${percent(report.sampled_share)} of all` : ""}.</p>
    <div class="hidden"><table><caption>Hit ratio by capacity</caption><thead><tr><th scope="col">Capacity</th><th scope="col">Hit ratio</th></tr></thead>
      <tbody>${report.marks.map((mark) => html`<tr><th scope="row">${mark.title}, ${size(mark.capacity, report.unit)}</th><td>${percent(mark.hit_ratio)}</td></tr>`)}</tbody></table></div>`
    : html`<div class="state"><p>Not enough is known yet.</p><p class="muted">The curve appears after some hundred lookups of keys that come back.</p></div>`))}
<//>`;

function Policies({ state }) {
  return html`<${Panel} title="What each policy would hit" help="Small shadow caches follow each policy with today's capacity, over a sample of the keys that counts entries alike: good for telling policies apart. Of the default policy it is what was measured. Turn the knob “policy” to change the one in use.">
    ${body(state, ({ report }) => (report.policies.length === 0
      ? html`<div class="state"><p>Not enough is known yet.</p><p class="muted">Shadow caches of each policy appear here as soon as lookups come in.</p></div>`
      : html`<dl class="policies">${report.policies.map((row) => html`<div key=${row.policy} class=${row.in_use ? "in-use" : ""}><dt>${row.policy}${row.in_use && html` <span class="chip">in use</span>`}</dt>
          <dd><svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="4" /><rect class="fill" width=${Math.max(0.5, row.hit_ratio * 100)} height="4" /></svg><b>${percent(row.hit_ratio)}</b></dd></div>`)}</dl>
        ${report.workload.length > 0 && html`<dl class="workload">${report.workload.map((fact) => html`<div title=${fact.help}><dt>${fact.title}</dt><dd>${fact.value}</dd></div>`)}</dl>`}`))}
  <//>`;
}

// ---- entries ---------------------------------------------------------------------------------------------

const csv = (rows) => ["key,bytes,uses,expires_in_seconds", ...rows.map((row) => [JSON.stringify(row.key).replaceAll('\\"', '""'), row.bytes ?? "", row.uses ?? "", row.expires_in_seconds ?? ""].join(","))].join("\n");

function Entries({ state, order, setOrder, choose }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(csv(state.data.entries));
      tell(`${many(state.data.entries.length, "row")} copied as CSV`);
    } catch {
      tell("Not copied: the browser does not allow it here", { kind: "problem" });
    }
  };
  const tools = html`<div class="segments" role="group" aria-label="Which entries">${["hottest", "largest"].map((name) => html`<button type="button" aria-pressed=${order === name} onClick=${() => setOrder(name)}>${name === "hottest" ? "Hottest" : "Largest"}</button>`)}</div>
    <button type="button" class="button small" disabled=${!state.data?.entries.length} onClick=${copy}>Copy as CSV</button>`;
  return html`<${Panel} title="Entries" class="entries rows" tools=${tools} help="Hottest: by sampled uses. Largest: by weight, among all entries.">
    ${body(state, ({ entries }) => (entries.length === 0
      ? html`<div class="state"><p>Nothing to show.</p><p class="muted">Entries appear here as soon as they are ${order === "hottest" ? "used again" : "stored"}.</p></div>`
      : html`<div class="table-box"><table><thead><tr><th scope="col">Key</th><th scope="col">Size</th><th scope="col">Uses</th><th scope="col">Expires in</th>${live.signedIn.value && html`<th scope="col"><span class="hidden">Invalidate</span></th>`}</tr></thead>
        <tbody>${entries.map((row) => html`<tr key=${row.key}><th scope="row"><span class="key" title=${row.key}>${row.key}</span></th><td>${row.bytes == null ? "–" : text(row.bytes, "bytes")}</td><td>${count(row.uses)}</td><td>${row.expires_in_seconds == null ? "never" : lengthOf(row.expires_in_seconds)}</td>
          ${live.signedIn.value && html`<td>${!row.key.endsWith("…") && html`<button type="button" class="button small" aria-label=${`Invalidate ${row.key}`} onClick=${() => choose(row.key)}>Invalidate</button>`}</td>`}</tr>`)}</tbody></table></div>`))}
  <//>`;
}

// ---- forgetting ------------------------------------------------------------------------------------------

const KINDS = { key: ["Key", "example.org/page?x=1"], tag: ["Tag", "product-42"], pattern: ["Pattern", "example.org/static/*"] };

/** Says what would go before anything goes. */
function Invalidate({ chosen, done }) {
  const [kind, setKind] = useState("pattern");
  const [what, setWhat] = useState("");
  const [counted, setCounted] = useState(null); // how many, and what is not among them
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const field = useRef(null);
  const confirm = useRef(null);
  const id = useId();
  const change = (next) => { setCounted(null); setProblem(null); next(); };
  useEffect(() => {
    if (!chosen) return;
    change(() => { setKind("key"); setWhat(chosen.key); });
    field.current?.focus();
  }, [chosen]);
  useEffect(() => { if (counted !== null) confirm.current?.focus(); }, [counted]);
  const send = async (dry) => {
    setBusy(true);
    setProblem(null);
    try {
      const { entries, note } = await live.ask(`${ADDRESS}/invalidate`, { method: "POST", body: { [kind]: what.trim(), dry_run: dry } });
      if (dry) setCounted({ entries, note });
      else {
        tell(`${many(entries, "entry", "entries")}${note ? " of memory" : ""} invalidated`);
        setCounted(null);
        setWhat("");
        done();
      }
    } catch (refused) {
      setCounted(null);
      setProblem(refused.status === 401 ? "You are no longer signed in. Sign in above and try again." : refused.message);
      if (refused.status === 503) done(); // forgotten, but maybe not for good: what is shown has changed
      requestAnimationFrame(() => field.current?.focus());
    }
    setBusy(false);
  };
  const submit = (event) => {
    event.preventDefault();
    if (!what.trim()) return setProblem(`Write a ${kind}, like ${KINDS[kind][1]}.`);
    return send(true);
  };
  return html`<${Panel} title="Invalidate" class="invalidate" help="Forgets entries, and refuses answers that are still on their way and older. Nothing goes before you have seen how much it is.">
    ${!live.signedIn.value ? html`<div class="state"><p>Nothing can be invalidated from here yet.</p><p class="muted">It needs the token: sign in at the knobs.</p></div>` : html`<form class="editor" onSubmit=${submit} noValidate>
      <div class="segments" role="group" aria-label="By what">${Object.entries(KINDS).map(([name, [title]]) => html`<button type="button" aria-pressed=${kind === name} onClick=${() => change(() => setKind(name))}>${title}</button>`)}</div>
      <label for=${id}>${KINDS[kind][0]} <span class="muted">such as ${KINDS[kind][1]}</span></label>
      <div class="row"><input id=${id} ref=${field} type="text" autocomplete="off" spellcheck=${false} value=${what} aria-invalid=${problem ? "true" : undefined} aria-describedby=${`${id}-problem`} onInput=${(event) => change(() => setWhat(event.target.value))} />
        <button type="submit" class="button" disabled=${busy}>Count</button></div>
      <p class="problem" id=${`${id}-problem`} role="alert">${problem && html`<${Icon} name="degraded" /> <span>${problem}</span>`}</p>
      ${counted !== null && html`<div class="row" role="group" aria-label="Confirm the invalidation"><p>${counted.entries === 0 ? (counted.note ? "Nothing in memory has it now." : "Nothing has it now.") : html`That is <b>${many(counted.entries, "entry", "entries")}</b>.`} ${counted.note}</p>
        <button type="button" ref=${confirm} class="button primary" disabled=${busy} onClick=${() => send(false)}>${busy ? "Invalidating" : counted.entries === 0 ? "Invalidate anyway" : `Invalidate ${many(counted.entries, "entry", "entries")}`}</button>
        <button type="button" class="button" onClick=${() => setCounted(null)}>Back</button></div>`}
    </form>`}
    <${Purgers} />
  <//>`;
}

export function Insight() {
  const [order, setOrder] = useState("hottest");
  const [chosen, setChosen] = useState(null);
  const [state, refresh] = useReport(order);
  if (state.problem?.status === 404) { // a service whose cache shows nothing of itself
    return live.feed.value.data?.purgers?.length > 0 && html`<${Panel} title="Invalidate" class="invalidate"><${Purgers} /><//>`;
  }
  return html`<div class="insight"><${CurvePanel} state=${state} /><${Policies} state=${state} />
    <${Entries} state=${state} order=${order} setOrder=${setOrder} choose=${(key) => setChosen({ key })} /><${Invalidate} chosen=${chosen} done=${refresh} /></div>`;
}
