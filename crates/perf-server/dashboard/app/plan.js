// What a strategy would change, before and after; carrying it out; and what came of it.
import { html, useEffect, useId, useRef, useState } from "perfkit/ui";
import * as live from "perfkit/live";
import { Icon, agoOf, knobName, lengthOf, many, tell, text, valueOf } from "perfkit/parts";

const percent = (share) => (share == null ? "–" : text(share * 100, "%"));
const points = (by) => `${by > 0 ? "+" : by < 0 ? "−" : "±"}${text(Math.abs(by) * 100, "points").replace(/^0(?=\u00a0)/, "0.0")}`;
const said = ({ kind, value }) => valueOf(value, kind);
const place = (id) => `/api/performance/cache-strategies/${encodeURIComponent(id)}`;
const sentence = (words) => words.replace(/`([^`]*)`/g, "“$1”");
const TITLES = { policy: "Policy", cold_share: "Cold share", time_to_live: "Time to live", capacity: "Size of memory", disk_capacity: "Size on disk", prefetch: "Loading ahead" };
const titleOf = (id) => TITLES[id] ?? id.replaceAll("_", " ");

// ---- what would be ---------------------------------------------------------------------------------------

/** The hit ratio at a capacity, between the points of the curve. */
function onCurve(curve, capacity) {
  const points = curve.filter((point) => point.capacity > 0);
  const after = points.findIndex((point) => point.capacity >= capacity);
  if (after < 0 || (after === 0 && points[0].capacity > capacity)) return null;
  if (after === 0) return points[0].hit_ratio;
  const [a, b] = [points[after - 1], points[after]];
  const part = Math.log(capacity / a.capacity) / Math.log(b.capacity / a.capacity);
  return a.hit_ratio + (b.hit_ratio - a.hit_ratio) * part;
}

/** What the cache that runs foresees of a step alone, before and after, by one and the same estimate; `null` where it cannot know. */
function foreseen({ id, from, to }, report) {
  if (!report) return null;
  const of = { capacity: ({ value }) => onCurve(report.curve, value), policy: ({ value }) => report.policies.find(({ policy }) => policy === value)?.hit_ratio }[id];
  const [before, after] = of ? [of(from), of(to)] : [];
  return before == null || after == null ? null : [before, after];
}

const WINDOWS = [[0, "at once, without judging"], [10, "10 s each"], [60, "1 min each"], [300, "5 min each"]];

/** Before and after side by side. Nothing is turned before it is confirmed. */
export function Plan({ id, answer, stats, back, begun }) {
  const { steps, left_out: left } = answer.plan;
  const [skip, setSkip] = useState(() => new Set());
  const [seconds, setSeconds] = useState(60);
  const [report, setReport] = useState(null);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const box = useRef(null);
  const field = useId();
  useEffect(() => { box.current?.focus(); }, []);
  useEffect(() => { live.ask("/api/performance/caching/memory").then((seen) => setReport(seen.report), () => {}); }, []);
  const now = stats?.hit_ratio;
  const chosen = steps.filter((step) => !skip.has(step.id));
  const toggle = (step) => setSkip((before) => {
    const next = new Set(before);
    if (!next.delete(step)) next.add(step);
    return next;
  });
  const apply = async () => {
    setBusy(true);
    setProblem(null);
    try {
      const { started } = await live.ask(`${place(id)}/optimize`, { method: "POST", body: { skip: [...skip], window_seconds: seconds } });
      tell(started ? `${many(chosen.length, "change")} of ${id} ${chosen.length === 1 ? "is" : "are"} being carried out` : "Nothing was left to change");
      begun();
    } catch (refused) {
      setBusy(false);
      setProblem(refused.status === 401 ? "You are no longer signed in. Sign in at the knobs and try again." : refused.message);
    }
  };
  const gain = steps.find((step) => step.expected != null)?.expected;
  return html`<section class="plan-box" tabindex="-1" ref=${box} aria-label="What would change" onKeyDown=${(event) => { if (event.key === "Escape") back(); }}>
    <h3>What would change</h3>
    ${steps.length === 0 ? html`<p>Nothing: the cache is set as the strategy says.</p>` : html`<table class="plan"><caption class="hidden">Settings before and after</caption>
      <thead><tr><th scope="col">Setting</th><th scope="col">Before</th><th scope="col">After</th><th scope="col">Hits by itself</th><th scope="col">Why</th></tr></thead>
      <tbody>${steps.map((step) => {
        const then = foreseen(step, report);
        return html`<tr key=${step.id} class=${skip.has(step.id) ? "left-out" : ""}><th scope="row"><label><input type="checkbox" checked=${!skip.has(step.id)} onChange=${() => toggle(step.id)} /> ${titleOf(step.id)}</label></th>
          <td data-title="Before">${said(step.from)}</td><td data-title="After"><b>${said(step.to)}</b></td>
          <td data-title="Hits by itself">${then ? html`${percent(then[0])} <span aria-hidden="true">→</span><span class="hidden"> to </span> <b>${percent(then[1])}</b>` : html`<span class="muted">not known</span>`}</td>
          <td class="why muted">${sentence(step.reason)}</td></tr>`;
      })}</tbody></table>
      <p class="muted">Hits now: ${percent(now)} in the last ${lengthOf(live.span.value)}. What a size would hit is read from the miss-ratio curve, what a policy would from its shadow cache.${gain > 0 ? ` Policy and loading ahead together are to bring ${points(gain)}, by what the strategy was made from.` : ""}</p>`}
    ${left.length > 0 && html`<details><summary>${many(left.length, "setting")} stay${left.length === 1 ? "s" : ""} as ${left.length === 1 ? "it is" : "they are"}</summary><ul>${left.map((one) => html`<li class="muted"><b>${titleOf(one.id)}</b>: ${sentence(one.because)}</li>`)}</ul></details>`}
    ${steps.length > 0 && html`<div class="row"><label for=${field}>Judge</label><select id=${field} onChange=${(event) => setSeconds(Number(event.target.value))}>${WINDOWS.map(([value, words]) => html`<option value=${value} selected=${value === seconds}>${words}</option>`)}</select>
      <span class="muted">${seconds ? `It takes ${lengthOf(seconds * (chosen.length + 1))}; a change after which hits fall by more than chance is taken back.` : "Every change stays; undo them here if they do not help."}</span></div>`}
    <p class="problem" role="alert">${problem && html`<${Icon} name="degraded" /> <span>${problem}</span>`}</p>
    <div class="row">${steps.length > 0 && html`<button type="button" class="button primary" disabled=${busy || chosen.length === 0} onClick=${apply}>${busy ? "Beginning" : `Carry out ${many(chosen.length, "change")}`}</button>`}
      <button type="button" class="button" onClick=${back}>Back</button></div>
  </section>`;
}

// ---- what came of it -------------------------------------------------------------------------------------

/** Puts back what a strategy turned and nobody has turned since, the last first. */
async function takeBack(id, done, steps) {
  try {
    const { events } = await live.ask("/api/performance/events");
    const own = events.filter((event) => event.kind === "turn" && !event.undone_by && event.component === done.component && event.by.startsWith(`strategy ${id} `));
    const turned = [...steps].reverse().map(({ step }) => own.filter((event) => event.knob === step.knob).sort((a, b) => b.id - a.id)[0]).filter(Boolean);
    for (const event of turned) await live.undo(event.id);
    tell(turned.length ? `${turned.map(knobName).join(", ")} ${turned.length === 1 ? "is" : "are"} as before` : "Nothing was left to put back");
  } catch (problem) {
    tell(`Not all put back: ${problem.message}`, { kind: "problem" });
  }
}

export function Outcome({ id, done }) {
  const [busy, setBusy] = useState(false);
  const { outcome } = done;
  const when = html`<span class="muted">${agoOf(live.now.value / 1000 - done.at)}</span>`;
  if (!outcome) return html`<p class="problem" role="status"><${Icon} name="degraded" /> <span>The last time it was carried out, ${done.text}.</span></p>`;
  const [before, after] = outcome.hit_ratio;
  const [waited, waits] = outcome.mean_wait_seconds;
  const kept = outcome.steps.filter((judged) => judged.kept);
  const undo = async () => { setBusy(true); await takeBack(id, done, kept); setBusy(false); };
  const pair = (from, to) => html`${from} <span aria-hidden="true">→</span><span class="hidden"> to </span> <b>${to}</b>`;
  const wait = (seconds) => (seconds == null ? "–" : text(seconds * 1000, "ms"));
  return html`<section class="outcome" aria-label="What came of it">
    <h3>What came of it ${when}</h3>
    ${(before != null || after != null) && html`<dl class="facts"><div class="fact"><dt>Hit ratio</dt><dd><span>${pair(percent(before), percent(after))}</span>${before != null && after != null && html`<span class="muted">${points(after - before)}</span>`}</dd></div>
      <div class="fact"><dt>Wait for loads, in the mean</dt><dd><span>${pair(wait(waited), wait(waits))}</span></dd></div></dl>`}
    <ul class="steps">${outcome.steps.map(({ step, kept: stays, hit_ratio: [was, is], because }) => html`<li key=${step.id}><${Icon} name=${stays ? "healthy" : "undo"} label=${stays ? "stays" : "taken back"} />
      <div><p><b>${titleOf(step.id)}</b> ${pair(said(step.from), said(step.to))}${was != null && is != null && html` <span class="chip">${points(is - was)}</span>`}</p><p class="muted">${sentence(because)}</p></div></li>`)}</ul>
    ${outcome.recommendations.length > 0 && html`<ul>${outcome.recommendations.map((words) => html`<li class="muted"><${Icon} name="info" /> ${sentence(words)}</li>`)}</ul>`}
    ${kept.length > 0 && live.signedIn.value && html`<div class="row"><button type="button" class="button small" disabled=${busy} onClick=${undo}><${Icon} name="undo" /> Put ${kept.length === 1 ? "it" : "all"} back</button></div>`}
  </section>`;
}
