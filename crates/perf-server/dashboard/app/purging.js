// Those who tell content delivery networks what to forget: what waits, how long, and what went wrong.
import { html } from "perfkit/ui";
import * as live from "perfkit/live";
import { Icon, count, lengthOf, many, text } from "perfkit/parts";

const age = (seconds) => (seconds < 10 ? text(seconds * 1000, "ms") : lengthOf(seconds));

/** What is wrong, and what to do: a list of sentences. */
function trouble(row) {
  const it = (n) => (n === 1 ? "it" : "them");
  const said = [];
  if (row.failing) said.push(`The last call failed${row.last_error ? `: ${row.last_error}` : ""}. What waits is tried again, later each time.`);
  if (row.lost) said.push(`${many(row.lost, "item")} ${row.lost === 1 ? "was" : "were"} given up: ${row.service} may keep what ${row.lost === 1 ? "it" : "they"} would have ended. Purge ${it(row.lost)} there by hand.`);
  if (row.rejected) said.push(`${row.service} took ${many(row.rejected, "item")} for no purge at all and will not take ${it(row.rejected)} again.`);
  if (row.refused) said.push(`${many(row.refused, "item")} could not be queued: ${row.service} knows no such kind.`);
  return said;
}

function Row({ row }) {
  const said = trouble(row);
  const wait = row.waiting ? `${many(row.waiting, "item")} wait${row.waiting === 1 ? "s" : ""}, the oldest for ${age(row.lag_seconds ?? 0)}` : "nothing waits";
  const more = [row.retries && `${many(row.retries, "call")} made again`, row.widened && `${count(row.widened)} widened`, row.collapsed && `${count(row.collapsed)} replaced by all`].filter(Boolean);
  return html`<li><h3><${Icon} name=${said.length ? "degraded" : "healthy"} label=${said.length ? "in trouble" : "well"} /> ${row.service} <span class="muted">${row.component}</span></h3>
    <p>${wait[0].toUpperCase() + wait.slice(1)}.</p>
    <p class="muted">In the last ${lengthOf(live.span.value)}: ${many(row.queued, "item")} queued, ${count(row.sent)} sent in ${many(row.calls, "call")}${more.length ? `, ${more.join(", ")}` : ""}.
      ${row.delay_p50_ms != null && html` Taken after p50 ${text(row.delay_p50_ms, "ms")}, p95 ${text(row.delay_p95_ms, "ms")}.`}</p>
    ${said.map((sentence) => html`<p class="problem" role="status"><${Icon} name="degraded" /> <span>${sentence}</span></p>`)}</li>`;
}

/** Nothing where nobody purges. */
export function Purgers() {
  const rows = live.feed.value.data?.purgers ?? [];
  return rows.length > 0 && html`<div class="purgers"><h3>At the edge</h3><p class="muted">What is invalidated here is purged there as well.</p>
    <ul>${rows.map((row) => html`<${Row} key=${`${row.component} ${row.service}`} row=${row} />`)}</ul></div>`;
}
