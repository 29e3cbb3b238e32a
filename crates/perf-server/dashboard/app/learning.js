// What caches have learnt of their use: what they load before it is asked for, and for how long they keep what.
import { html } from "perfkit/ui";
import * as live from "perfkit/live";
import { Fact } from "perfkit/knobs";
import { Icon, Panel, count, knobName, lengthOf, many, text } from "perfkit/parts";

const percent = (share) => (share == null ? "–" : text(share * 100, "%"));
const held = (value, unit) => (unit === "bytes" ? text(value, "bytes") : many(Math.round(value), "entry", "entries"));
const titled = (component) => knobName({ component, knob: "" }).trim();
/** A length of time, however short. */
const life = (seconds) => (seconds == null ? "–" : seconds < 10 ? text(seconds * 1000, "ms") : lengthOf(seconds));

// ---- loading ahead ---------------------------------------------------------------------------------------

/** What the precision comes to, in one sentence. */
function verdict({ enabled, precision, least_precision: least, named, used, unused }) {
  if (enabled === false) return "Switched off: nothing is loaded ahead.";
  if (precision == null) return named ? "Nothing that was loaded ahead has proved right or wrong yet." : "No request follows another often enough yet.";
  if (least != null && precision < least) return `${percent(precision)} of what is loaded ahead is used, less than the ${percent(least)} asked for: it holds back but for a few trials.`;
  return `${percent(precision)} of what is loaded ahead is used${used + unused ? "" : ", none of it in this span"}.`;
}

/** The precision on a scale from nothing to all, with the least that is asked for marked on it. */
function Scale({ row }) {
  const at = (share) => `${Math.min(100, Math.max(0, share * 100))}%`;
  const low = row.least_precision != null && row.precision < row.least_precision;
  return html`<div class="gauge" role="img" aria-label=${`Precision ${percent(row.precision)}${row.least_precision == null ? "" : `, at least ${percent(row.least_precision)} is asked for`}`}>
    <i class="amount ${low ? "low" : ""}" style=${{ width: at(row.precision ?? 0) }}></i>${row.least_precision != null && html`<i class="guard" style=${{ left: at(row.least_precision) }}></i>`}</div>
    <p class="ends muted"><span>0 %</span>${row.least_precision != null && html`<span>asked for: at least ${percent(row.least_precision)}</span>`}<span>100 %</span></p>`;
}

const Ahead = ({ row }) => html`<article class="learnt">
  <h3>Loading ahead <span class="muted">${titled(row.component)}</span></h3>
  <p class="verdict-line">${verdict(row)}</p>
  <${Scale} row=${row} />
  <dl class="facts">
    <${Fact} title="Used" value=${count(row.used)}>of ${many(row.used + row.unused, "value")} that were there in time<//>
    <${Fact} title="In vain" value=${count(row.unused)}>dropped without use<//>
    <${Fact} title="Too late" value=${count(row.late)}>asked for before they came<//>
    <${Fact} title="Held" value=${row.held == null ? "–" : held(row.held, row.unit)}>${row.held_most == null ? "not asked for yet" : `of at most ${held(row.held_most, row.unit)}`}<//>
  </dl>
  ${(row.failed > 0 || row.skipped > 0) && html`<p class="muted">${[row.failed && `${many(row.failed, "load")} failed`, row.skipped && `${many(row.skipped, "request")} passed over while the table was in use or all places were taken`].filter(Boolean).join(", ")}.</p>`}
</article>`;

// ---- lives -----------------------------------------------------------------------------------------------

/** How many lives are how long, as bars that say their share. */
function Bars({ steps, given }) {
  const shown = steps.map((step, i) => ({ ...step, from: i ? steps[i - 1].up_to_seconds : 0 }));
  const [first, last] = [shown.findIndex(({ count: n }) => n > 0), shown.findLastIndex(({ count: n }) => n > 0)];
  const rows = shown.slice(first, last + 1);
  const most = Math.max(...rows.map(({ count: n }) => n));
  const name = ({ from, up_to_seconds: to }) => (to == null ? `over ${lengthOf(from)}` : `to ${lengthOf(to)}`);
  return html`<table class="lives"><caption class="hidden">How long values live</caption><thead class="hidden"><tr><th scope="col">Life</th><th scope="col">Values</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.from}><th scope="row">${name(row)}</th>
      <td><i class="amount" style=${{ "--share": `${row.count ? Math.max(2, (row.count / most) * 100) : 0}%` }}></i><b>${row.count ? percent(row.count / given) : ""}</b></td></tr>`)}</tbody></table>`;
}

function stale({ stale_share: expected, stale_share_stated: stated }) {
  if (expected == null || stated == null) return "";
  return expected <= stated ? `${percent(expected)} of the answers are stale by what was seen, of ${percent(stated)} that may be.` : `${percent(expected)} of the answers are stale by what was seen, more than the ${percent(stated)} that may be: some values change faster than the shortest life.`;
}

const Life = ({ row }) => html`<article class="learnt">
  <h3>Lives of entries <span class="muted">${titled(row.component)}</span></h3>
  <p class="verdict-line">${stale(row) || "How often values change is not known yet."}</p>
  ${row.given > 0 ? html`<${Bars} steps=${row.steps} given=${row.given} />
    <dl class="facts">
      <${Fact} title="Half live longer than" value=${life(row.p50_seconds)}>of ${many(row.given, "value")} that were loaded<//>
      <${Fact} title="A tenth less than" value=${life(row.p10_seconds)}><//>
      <${Fact} title="A tenth more than" value=${life(row.p90_seconds)}><//>
      <${Fact} title="Had changed" value=${row.reloads ? percent(row.changed / row.reloads) : "–"}>of ${many(row.reloads, "reload")}<//>
    </dl>` : html`<p class="muted">No value was loaded in the last ${lengthOf(live.span.value)}.</p>`}
  ${row.forgotten > 0 && html`<p class="muted">${many(row.forgotten, "load")} taught nothing, because another key took the place of theirs.</p>`}
</article>`;

// ---- the panel -------------------------------------------------------------------------------------------

/** What will appear here and what has to be done for it. */
const Ways = ({ ahead, lives }) => html`<dl class="ways">
  ${!ahead && html`<div><dt><${Icon} name="info" /> Loading ahead is not in use</dt><dd>A cache that knows which key follows which loads the next one before it is asked for, and stops where less than half of that is used. In a program: <code>Prefetching::builder(cache).load(…)</code>, registered in place of the cache.</dd></div>`}
  ${!lives && html`<div><dt><${Icon} name="info" /> Lives are not learnt</dt><dd>A cache that sees how often values change gives each kind of key the life that loads least for a stated share of stale answers. In a program: <code>Cache::builder().adaptive_ttl(…)</code>.</dd></div>`}
</dl>`;

export function Learning({ data }) {
  const { ahead = [], lives = [] } = data?.learning ?? {};
  return html`<${Panel} title="What the cache has learnt" class="learning" help="Precision is the share of what was loaded ahead that was asked for before it was dropped. The stale share follows from how often reloads found another value.">
    ${data && html`<div class="learnt-box">${ahead.map((row) => html`<${Ahead} key=${row.component} row=${row} />`)}${lives.map((row) => html`<${Life} key=${row.component} row=${row} />`)}</div>
      <${Ways} ahead=${ahead.length > 0} lives=${lives.length > 0} />`}
  <//>`;
}
