// Caching: who answers and how fast, what the cache did, and the knobs that change it.
import { html } from "perfkit/ui";
import * as live from "perfkit/live";
import { Changes, Panel, count, lengthOf, many, text } from "perfkit/parts";
import { Chart } from "perfkit/charts";
import { Flow } from "perfkit/flow";
import { Insight } from "perfkit/insight";
import { Fact, Knobs } from "perfkit/knobs";
import { Learning } from "perfkit/learning";
import { Strategy } from "perfkit/strategy";

const percent = (share) => (share == null ? "–" : text(share * 100, "%"));

// ---- what the cache did ----------------------------------------------------------------------------------

const REASONS = {
  size: "made room", expired: "expired", replaced: "replaced", removed: "removed",
  br: "Brotli", zstd: "Zstandard", gzip: "gzip", identity: "not encoded",
};
const reason = (name) => REASONS[name] ?? name.replaceAll(/[_-]/g, " ");

/** Counts by cause, largest first, with bars for the proportion. */
function Breakdown({ title, counts, one, none }) {
  const rows = Object.entries(counts ?? {}).filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  const total = rows.reduce((sum, [, n]) => sum + n, 0);
  return html`<div class="breakdown"><h3>${title} <span class="muted">${count(total)}</span></h3>
    ${rows.length === 0 ? html`<p class="muted">${none}</p>` : html`<dl>${rows.slice(0, 6).map(([name, n]) => html`<div key=${name}><dt>${reason(name)}</dt>
      <dd><svg viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="4" /><rect class="fill" width=${Math.max(1, (100 * n) / total)} height="4" /></svg><b>${count(n)}</b></dd></div>`)}</dl>`}
  </div>`;
}

function Stats({ data }) {
  const stats = data?.stats;
  const filled = stats && stats.capacity_bytes ? stats.bytes / stats.capacity_bytes : null;
  return html`<${Panel} title="What the cache did" class="stats">${stats && html`
    <dl class="facts">
      <${Fact} title="Hit ratio" value=${percent(stats.hit_ratio)}>${count(stats.hits)} of ${count((stats.hits ?? 0) + (stats.misses ?? 0))} lookups<//>
      <${Fact} title="Entries" value=${count(stats.entries)}>${many(stats.insertions ?? 0, "insertion")}<//>
      <${Fact} title="Memory used" value=${text(stats.bytes, "bytes")}>${filled == null ? "no capacity set" : `${percent(filled)} of ${text(stats.capacity_bytes, "bytes")}`}<//>
      ${data.tiers.filter((tier) => tier.id === "disk").map((tier) => html`<${Fact} title="On disk" value=${text(tier.bytes, "bytes")}>${many(tier.entries ?? 0, "entry", "entries")}${tier.capacity_bytes ? `, ${percent(tier.bytes / tier.capacity_bytes)} of ${text(tier.capacity_bytes, "bytes")}` : ""}<//>`)}
      <${Fact} title="Bytes saved" value=${text(stats.bytes_saved, "bytes")}>by encoding answers<//>
      <${Fact} title="Shared fetches" value=${count(stats.joins)}>waited for one already on its way<//>
      <${Fact} title="Not modified" value=${count(stats.not_modified)}>answered with 304 and no body<//>
    </dl>
    <div class="breakdowns">
      <${Breakdown} title="Evictions" counts=${stats.evictions} none="Nothing has left the cache." />
      <${Breakdown} title="Not stored" counts=${stats.not_stored} none=${stats.stored ? `All ${count(stats.stored)} answers were stored.` : "Nothing had to be left out."} />
      <${Breakdown} title="Encoded" counts=${stats.encoded} none="No answer was encoded." />
    </div>`}
  <//>`;
}

// ---- the view --------------------------------------------------------------------------------------------

const CHARTS = { hit_ratio: { title: "Hit ratio" }, latency: { title: "Answer time by outcome", canLog: true }, memory: { title: "Memory tier" } };

export function Caching({ feed }) {
  const data = feed.data;
  return html`<${Flow} data=${data} listen=${live.frame.value?.service.listen} />
    <${Stats} data=${data} />
    <${Insight} />
    <${Learning} data=${data} />
    <${Strategy} data=${data} />
    <div class="columns">
      <div class="charts">${Object.keys(CHARTS).map((id) => html`<${Chart} key=${id} chart=${data?.charts.find((chart) => chart.id === id)} events=${data?.events} ...${CHARTS[id]} />`)}
        <${Panel} class="changed" title="Recent changes" empty=${data?.events.length === 0 && html`<p>No knob has been turned in the last ${lengthOf(live.span.value)}.</p><p class="muted">Each turn appears here and as a mark on the charts, with the way back.</p>`}>
          ${data?.events.length > 0 && html`<${Changes} events=${data.events} />`}<//>
      </div>
      <${Knobs} data=${data} />
    </div>`;
}
