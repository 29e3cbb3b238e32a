// Operations: what waits and how urgent it is, what runs, how it ended, and stopping or moving single ones.
import { html, useRef, useState } from "perfkit/ui";
import * as live from "perfkit/live";
import { Changes, Icon, Panel, count, knobName, lengthOf, many, tell, text } from "perfkit/parts";
import { Chart } from "perfkit/charts";
import { Fact, Knobs } from "perfkit/knobs";

const ADDRESS = "/api/performance/operations";
const LEVELS = [10, 9, 8, 7, 6, 5, 4, 3, 2, 1];
const titled = (component) => knobName({ component, knob: "" }).trim();
/** A length of time, however short. */
const time = (seconds) => (seconds == null ? "–" : seconds < 10 ? text(seconds * 1000, "ms") : lengthOf(seconds));
const ms = (value) => (value == null ? "–" : text(value, "ms"));
const sum = (numbers) => numbers.reduce((total, n) => total + n, 0);

// ---- how things stand ------------------------------------------------------------------------------------

/** How much of what may be is; the words stand beside it. */
const Gauge = ({ part, whole }) => whole > 0 && html`<svg class="fill-bar" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="4" /><rect class=${part >= whole ? "fill full" : "fill"} width=${Math.min(100, (100 * part) / whole)} height="4" /></svg>`;

/** The whole in one sentence, for people who have no time. */
function verdict(it) {
  if (it.closed) return ["degraded", "It is closed: what is submitted now is refused."];
  const open = it.kinds.filter((row) => row.breaker === "open").map((row) => row.kind);
  if (open.length) return ["degraded", `The circuit of ${open.join(", ")} is open: calls are refused until it is tried again.`];
  if (it.counts.rejected) return ["degraded", `${many(it.counts.rejected, "operation")} ${it.counts.rejected === 1 ? "was" : "were"} turned away: the queue was full.`];
  if (it.pending && it.running >= it.max_concurrent) return ["info", `All ${count(it.max_concurrent)} places are taken, ${many(it.pending, "operation")} wait${it.pending === 1 ? "s" : ""}.`];
  if (it.pending) return ["info", `${many(it.pending, "operation")} wait${it.pending === 1 ? "s" : ""} though there is room: for a limit of their kind, a pool, a throttle or a batch.`];
  return ["healthy", "Nothing waits."];
}

function Now({ it }) {
  const [icon, sentence] = verdict(it);
  const { counts, wait, run } = it;
  return html`<p class="verdict-line ${icon}"><${Icon} name=${icon} /> ${sentence}</p>
    <dl class="facts">
      <${Fact} title="Running" value=${count(it.running)}>of ${count(it.max_concurrent)} at once<${Gauge} part=${it.running} whole=${it.max_concurrent} /><//>
      <${Fact} title="Waiting" value=${count(it.pending)}>of ${count(it.queue_limit)} that may<${Gauge} part=${it.pending} whole=${it.queue_limit} /><//>
      <${Fact} title="Wait p95" value=${ms(wait.p95_ms)}>p50 ${ms(wait.p50_ms)}, from ${many(wait.count, "start")}<//>
      <${Fact} title="Run p95" value=${ms(run.p95_ms)}>p50 ${ms(run.p50_ms)}, from ${many(run.count, "end")}<//>
      <${Fact} title="Completed" value=${count(counts.completed)}>of ${count(counts.submitted)} taken on<//>
      <${Fact} title="Not completed" value=${count(counts.failed + counts.timed_out + counts.cancelled)}>${count(counts.failed)} failed, ${count(counts.timed_out)} timed out, ${count(counts.cancelled)} cancelled<//>
      <${Fact} title="Turned away" value=${count(counts.rejected)}>as too many waited<//>
      <${Fact} title="Shared" value=${count(counts.joined)}>joined one with the same key<//>
      ${it.zombies > 0 && html`<${Fact} title="Zombies" value=${count(it.zombies)}>threads whose operation was given up<//>`}
    </dl>`;
}

// ---- waiting, by kind and priority -----------------------------------------------------------------------

/** A table whose cells are shaded by how many wait there. */
function Waiting({ kinds }) {
  const rows = kinds.filter((row) => row.pending > 0);
  const most = Math.max(1, ...rows.flatMap((row) => row.by_priority));
  const cell = (n, level) => html`<td key=${level} class=${n ? "some" : "none"} style=${{ "--share": n / most }}>${n ? count(n) : html`<span aria-hidden="true">·</span><span class="hidden">0</span>`}</td>`;
  return html`<div class="table-box" tabIndex="0" role="region" aria-label="How many wait"><table class="heat"><thead><tr><th scope="col">Kind</th>${LEVELS.map((level) => html`<th scope="col" key=${level}>${level}</th>`)}<th scope="col">All</th></tr></thead>
    <tbody>${rows.map((row) => html`<tr key=${row.kind}><th scope="row"><span class="key" title=${row.kind}>${row.kind}</span></th>${LEVELS.map((level) => cell(row.by_priority[level - 1], level))}<td><b>${count(row.pending)}</b></td></tr>`)}
    ${rows.length > 1 && html`<tr><th scope="row">All</th>${LEVELS.map((level) => html`<td key=${level}>${count(sum(rows.map((row) => row.by_priority[level - 1])))}</td>`)}<td><b>${count(sum(rows.map((row) => row.pending)))}</b></td></tr>`}</tbody></table></div>`;
}

// ---- kinds -----------------------------------------------------------------------------------------------

const BREAKERS = { closed: ["healthy", "closed"], open: ["unhealthy", "open"], half_open: ["degraded", "half open"] };

/** What holds a kind back, in words. */
function held(row) {
  const said = [];
  if (row.throttle) said.push(row.throttle);
  if (row.batching) said.push(`batches of at most ${count(row.batching.max)}${row.batching.window_seconds ? ` or ${time(row.batching.window_seconds)}` : ""}`);
  return said.join(", ");
}

const Kinds = ({ kinds }) => html`<div class="table-box" tabIndex="0" role="region" aria-label="Figures of each kind"><table><thead><tr><th scope="col">Kind</th><th scope="col">Running</th><th scope="col">Waiting</th><th scope="col">Completed</th><th scope="col">Failed</th><th scope="col">Timed out</th><th scope="col">Cancelled</th><th scope="col">Retried</th><th scope="col">Wait p95</th><th scope="col">Run p95</th><th scope="col">Circuit</th><th scope="col" class="words">Held back by</th></tr></thead>
  <tbody>${kinds.map((row) => html`<tr key=${row.kind}><th scope="row"><span class="key" title=${row.kind}>${row.kind}</span></th>
    <td>${count(row.running)}${row.max_concurrent == null ? "" : ` of ${count(row.max_concurrent)}`}</td><td>${count(row.pending)}</td><td>${count(row.completed)}</td><td>${count(row.failed)}</td><td>${count(row.timed_out)}</td><td>${count(row.cancelled)}</td><td>${count(row.retried)}</td>
    <td>${ms(row.wait_p95_ms)}</td><td>${ms(row.run_p95_ms)}</td>
    <td>${row.breaker ? html`<span class="circuit ${row.breaker}"><${Icon} name=${BREAKERS[row.breaker]?.[0] ?? "unknown"} /> ${BREAKERS[row.breaker]?.[1] ?? row.breaker}</span>` : "–"}</td><td class="words">${held(row) || "–"}</td></tr>`)}</tbody></table></div>
  ${kinds.some((row) => row.batching?.batches) && html`<ul class="batches">${kinds.filter((row) => row.batching?.batches).map((row) => html`<li key=${row.kind}><b>${row.kind}</b>: ${many(row.batching.items, "item")} in ${many(row.batching.batches, "batch", "batches")}, ${text(row.batching.items / row.batching.batches, "")} each on average, ${count(row.batching.largest)} at most.</li>`)}</ul>`}`;

// ---- single operations -----------------------------------------------------------------------------------

const WHICH = { pending: "Waiting", running: "Running", ended: "Ended" };
const NOTHING = {
  pending: ["Nothing waits.", "Operations appear here while all places are taken, or their kind is held back."],
  running: ["Nothing runs.", "Operations appear here from their start to their end."],
  ended: ["Nothing has ended yet.", "The last ones to end appear here, with their errors."],
};
const OUTCOMES = { removed: "cancelled before it began", signalled: "told to stop", left: "left to others who wait for it", already_finished: "had ended before", unknown: "is no longer known" };
const ENDED = { completed: "healthy", failed: "unhealthy", timeout: "degraded", cancelled: "same" };

const say = (refused) => tell(refused.status === 401 ? "You are no longer signed in. Sign in at the knobs." : refused.message, { kind: "problem" });

async function cancel(component, row) {
  try {
    const { outcome } = await live.ask(`${ADDRESS}/${encodeURIComponent(component)}/${row.id}/cancel`, { method: "POST" });
    tell(`${row.kind} ${row.id} ${OUTCOMES[outcome] ?? outcome}`);
  } catch (refused) { say(refused); }
}

async function move(component, row, priority) {
  try {
    const { before } = await live.ask(`${ADDRESS}/${encodeURIComponent(component)}/${row.id}/priority`, { method: "PUT", body: { priority } });
    tell(`${row.kind} ${row.id} has priority ${priority} instead of ${before}`);
  } catch (refused) { say(refused); }
}

/** The priority: a choice for those who may, while it waits. */
const Level = ({ component, row, may }) => (may
  ? html`<select class="level" aria-label=${`Priority of ${row.kind} ${row.id}`} value=${row.priority} onChange=${(event) => move(component, row, Number(event.target.value))}>${LEVELS.map((level) => html`<option value=${level} selected=${level === row.priority}>${level}</option>`)}</select>`
  : html`${row.priority}`);

/** Stops one, after a second press: what is dropped does not come back. */
function Cancel({ component, row }) {
  const [sure, setSure] = useState(false);
  const button = useRef(null);
  if (sure) {
    return html`<span class="row" onKeyDown=${(event) => event.key === "Escape" && setSure(false)}><button type="button" ref=${(it) => it?.focus()} class="button small primary" onClick=${() => { setSure(false); cancel(component, row); }} onBlur=${() => setSure(false)}>Cancel it</button></span>`;
  }
  return html`<button type="button" ref=${button} class="button small" aria-label=${`Cancel ${row.kind} ${row.id}`} onClick=${() => setSure(true)}>Cancel</button>`;
}

function Single({ it }) {
  const [which, setWhich] = useState("pending");
  const rows = it[`${which}_rows`];
  const whole = { pending: it.pending, running: it.running, ended: rows.length }[which];
  const may = live.signedIn.value && which !== "ended";
  const tools = html`<div class="segments" role="group" aria-label="Which operations">${Object.entries(WHICH).map(([name, title]) => html`<button type="button" aria-pressed=${which === name} onClick=${() => setWhich(name)}>${title}</button>`)}</div>`;
  const [none, hint] = NOTHING[which];
  return html`<${Panel} title="Single operations" class="rows single" tools=${tools} help="The first of them in order of arrival, and the last to end. Cancelling and priorities need the token." empty=${rows.length === 0 && html`<p>${none}</p><p class="muted">${hint}</p>`}>
    <div class="table-box" tabIndex="0" role="region" aria-label=${`${WHICH[which]} operations`}><table><thead><tr><th scope="col">Kind</th><th scope="col">Number</th><th scope="col">Priority</th><th scope="col">Waited</th><th scope="col">${which === "pending" ? "May run" : "Ran"}</th>${which === "ended" && html`<th scope="col">Ended</th><th scope="col" class="words">Why</th>`}${may && html`<th scope="col"><span class="hidden">Cancel</span></th>`}</tr></thead>
      <tbody>${rows.map((row) => html`<tr key=${row.id}><th scope="row"><span class="key" title=${row.kind}>${row.kind}</span></th><td>${row.id}</td><td><${Level} component=${it.component} row=${row} may=${may && which === "pending"} /></td><td>${time(row.waited_seconds)}</td><td>${which === "pending" ? (row.timeout_seconds == null ? "as long as it takes" : time(row.timeout_seconds)) : time(row.ran_seconds)}</td>
        ${which === "ended" && html`<td><span class="ended ${row.status}"><${Icon} name=${ENDED[row.status] ?? "unknown"} /> ${row.status}</span></td><td class="words"><span class="why" title=${row.error}>${row.error ?? "–"}</span></td>`}
        ${may && html`<td><${Cancel} component=${it.component} row=${row} /></td>`}</tr>`)}</tbody></table></div>
    ${whole > rows.length && html`<p class="muted more">${count(whole - rows.length)} more are not shown.</p>`}
  <//>`;
}

// ---- the view --------------------------------------------------------------------------------------------

const CHARTS = { queue: { title: "Waiting and running" }, outcomes: { title: "Ended per second", stacked: true }, wait: { title: "Wait", canLog: true }, run: { title: "Run time", canLog: true } };

export function Operations({ feed }) {
  const data = feed.data;
  const [chosen, choose] = useState(null);
  const managers = data?.managers ?? [];
  const it = managers.find((manager) => manager.component === chosen) ?? managers[0];
  const tools = managers.length > 1 && html`<div class="segments" role="group" aria-label="Which manager">${managers.map(({ component }) => html`<button type="button" aria-pressed=${component === it.component} onClick=${() => choose(component)}>${titled(component)}</button>`)}</div>`;
  const none = data && !it && html`<p>Nobody manages operations here.</p><p class="muted">A service shows its managers with AdminConfig::operations.</p>`;
  const chart = (id) => it?.charts.find((chart) => chart.id === id);
  return html`<${Panel} title=${it ? titled(it.component) : "Operations"} class="now" tools=${tools} empty=${none} help="Counts and times are those of the span. Operations wait when all places are taken, or when their kind is held back.">${it && html`<${Now} it=${it} />`}<//>
    ${(it || !data) && html`<${Panel} title="Waiting by kind and priority" class="rows waiting" help="10 is the most urgent. Waiting raises an operation, so that nobody waits for ever." empty=${it?.pending === 0 && html`<p>Nothing waits.</p>`}>${it && html`<${Waiting} kinds=${it.kinds} />`}<//>
    <${Panel} title="Kinds" class="rows kinds" help="Counts and times since the statistics began. A kind's limits are knobs." empty=${it?.kinds.length === 0 && html`<p>No operation has come yet.</p><p class="muted">Each kind of operation gets a line of its own.</p>`}>${it && html`<${Kinds} kinds=${it.kinds} />`}<//>
    ${it && html`<${Single} it=${it} />`}
    <div class="columns">
      <div class="charts">${Object.keys(CHARTS).map((id) => html`<${Chart} key=${id} chart=${chart(id)} events=${data?.events} ...${CHARTS[id]} />`)}
        <${Panel} class="changed" title="Recent changes" empty=${data?.events.length === 0 && html`<p>No knob has been turned in the last ${lengthOf(live.span.value)}.</p><p class="muted">Each turn appears here and as a mark on the charts, with the way back.</p>`}>
          ${data?.events.length > 0 && html`<${Changes} events=${data.events} />`}<//>
      </div>
      <${Knobs} data=${data && { knobs: data.knobs.filter((knob) => knob.component === it?.component) }} />
    </div>`}`;
}
