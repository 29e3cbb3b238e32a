// The flow from left to right: which tier answers how much, how fast, and how each of them does.
import { html, useLayoutEffect, useRef, useState } from "perfkit/ui";
import * as live from "perfkit/live";
import { ICONS, Icon, Panel, count, lengthOf, many, text } from "perfkit/parts";

const percent = (share) => (share == null ? "–" : text(share * 100, "%"));

const HEAD = 48; // room for the two lines of words above a lane
const LINE = 20; // one more line of words
const THIN = 2; // the least that is still seen: one request in a million is not nothing
const COLUMN = 188; // the words of a tier fit into this, so that no two of them meet

/** Height of all traffic in px, of which every ribbon is a share, and what is between lanes. */
const sizes = (tiers) => (tiers.length > 3 ? { full: 64, gap: 8 } : { full: 88, gap: 24 });

// ---- in words --------------------------------------------------------------------------------------------

const latency = (tier) => (tier.p50_ms == null ? "no answers yet" : `p50 ${text(tier.p50_ms, "ms")}, p95 ${text(tier.p95_ms, "ms")}`);

const BREAKERS = { closed: "breaker closed", open: "breaker open: passed by", "half open": "breaker half open: being tried" };
const isUnwell = (tier) => tier.breaker != null && tier.breaker !== "closed";

/** News that are older than this are worth a word of warning: they come several times a second. */
const LATE_NEWS = 2;
const isBehind = (tier) => tier.lag_seconds > LATE_NEWS;
const news = ({ lag_seconds: age }) => (age == null ? "" : age < LATE_NEWS ? `in step with others, ${text(age * 1000, "ms")} behind` : `not heard of others for ${text(age * 1000, "ms")}`);

/** What a tier keeps and how it is in step with those who share it; of memory that stands in the figures below. */
const keeping = (tier) => (tier.breaker == null ? "" : [
  tier.bytes == null ? "" : `${text(tier.bytes, "bytes")}${tier.capacity_bytes ? ` of ${text(tier.capacity_bytes, "bytes")}` : ""}`,
  tier.id !== "disk" || tier.compression_ratio == null ? "" : `compression ratio ${text(tier.compression_ratio, "")}`,
  news(tier),
].filter(Boolean).join(", "));
/** The same with the breaker, which the drawing shows as a badge. */
const doing = (tier) => [keeping(tier), BREAKERS[tier.breaker]].filter(Boolean).join(", ");

const sentence = (data) => `Of ${many(data.requests, "request")}, ${data.tiers.map((tier) => `${tier.title.toLowerCase()} answers ${percent(tier.share)} with ${latency(tier)}${doing(tier) && `, ${doing(tier)}`}`).join("; ")}.`;

const WITHOUT = {
  disk: "What only it has is fetched from the origin again.",
  remote: "What other gateways have fetched is fetched here again, and what they invalidate is heard of once it is back.",
  cdn: "What only the edge store has is fetched from the origin again.",
};

/** What is wrong with a tier, what that means, and what happens next: a list of sentences. */
function trouble(tier) {
  const said = [];
  if (isUnwell(tier)) {
    said.push(tier.breaker === "open" ? `${tier.title} failed or took too long and is passed by; it is tried again every few seconds.` : `${tier.title} failed and is being tried again.`);
    if (tier.breaker === "open" && WITHOUT[tier.id]) said.push(WITHOUT[tier.id]);
    if (tier.failed || tier.passed_by) said.push(`${many(tier.failed ?? 0, "call")} failed in the last ${lengthOf(live.span.value)}, ${count(tier.passed_by ?? 0)} went by it.`);
  }
  if (isBehind(tier)) {
    said.push(`Nothing was heard of changes by other gateways for ${text(tier.lag_seconds * 1000, "ms")}.`);
    said.push("Unless that changes, memory drops what it has when the stale window ends, so that nothing older is answered.");
  }
  if (tier.sharing?.pending > 0) said.push(`${many(tier.sharing.pending, "invalidation")} of this gateway ${tier.sharing.pending === 1 ? "is" : "are"} not announced yet: the others may still answer what ${tier.sharing.pending === 1 ? "it ends" : "they end"}.`);
  return said;
}

// ---- drawn -----------------------------------------------------------------------------------------------

/** A ribbon whose upper edge goes from `y1` to `y2` between `x1` and `x2`, `size` high at both ends. */
function ribbon(x1, y1, x2, y2, size) {
  const m = (x1 + x2) / 2;
  return `M${x1} ${y1}C${m} ${y1} ${m} ${y2} ${x2} ${y2}V${y2 + size}C${m} ${y2 + size} ${m} ${y1 + size} ${x1} ${y1 + size}Z`;
}

/** A straight ribbon that ends in a point, so that its direction is seen without colour or motion. */
const arrow = (x1, y, x2, size) => `M${x1} ${y}H${x2 - 12}L${x2} ${y + size / 2}L${x2 - 12} ${y + size}H${x1}Z`;

const MARKS = { closed: "healthy", "half open": "retry", open: "unhealthy" };
const kind = (tier) => (tier.breaker === "half open" ? "half" : tier.breaker);

/** Lanes from top to bottom: each tier keeps what it answers and hands the rest to the next one. */
function WideFlow({ data, width }) {
  const tiers = data.tiers;
  const { full, gap } = sizes(tiers);
  const step = (width - 8) / (tiers.length + 1);
  let top = HEAD;
  let left = 1;
  const lanes = tiers.map((tier, i) => {
    const share = tier.share ?? 0;
    if (tier.breaker) top += LINE;
    const last = i === tiers.length - 1;
    const size = Math.max(THIN, share * full);
    const incoming = Math.max(THIN, last ? size : left * full);
    const lane = { tier, i, x: Math.round(step * (i + 1)), top, size, incoming, rest: Math.max(THIN, (left - share) * full), left, last };
    left = Math.max(0, left - share);
    top += Math.max(size, 12) + HEAD + gap;
    return lane;
  });
  const beyond = (i) => tiers.slice(i + 1).reduce((sum, tier) => (tier.per_second == null ? sum : (sum ?? 0) + tier.per_second), null);
  const under = (lane) => Math.max(lanes[lane.i + 1].top, lane.top + lane.incoming + 32); // the words of what goes on
  const height = Math.max(top - HEAD - gap, ...lanes.slice(0, -1).map((lane) => under(lane) + 28));
  return html`<svg class="flow" width=${width} height=${height} role="img" aria-label=${sentence(data)}>
    <path class="in" d=${`M0 ${HEAD}H${lanes[0].x}V${HEAD + full}H0Z`} />
    ${lanes.map((lane) => {
      const { tier, i, x, top, size, incoming, rest, left, last } = lane;
      const next = lanes[i + 1];
      const words = top - (tier.breaker ? LINE : 0);
      return html`<g class="tier tier-${tier.id}">
        ${next && html`<path class="rest" d=${ribbon(x + 8, top + incoming - rest, next.x, next.top, rest)} />
          <text class="words" x=${x} y=${under(lane)}><tspan class="strong">Misses ${percent(left - (tier.share ?? 0))}</tspan></text>
          <text class="words" x=${x} y=${under(lane) + 20}>${text(beyond(i), "/s")}</text>`}
        <path class=${isUnwell(tier) ? "passed-by" : "out"} d=${arrow(x + 8, top, width, size)} />
        <rect class="node" x=${x} y=${top} width="8" height=${last ? size : incoming} rx="2" />
        <text class="words" x=${x} y=${words - 28}><tspan class="strong">${tier.title} answers ${percent(tier.share)}</tspan></text>
        <text class="words" x=${x} y=${words - 8}>${text(tier.per_second, "/s")}, ${latency(tier)}</text>
        ${tier.breaker && html`<path class="badge ${kind(tier)}" transform=${`translate(${x} ${top - 19}) scale(0.875)`} d=${ICONS[MARKS[tier.breaker]]} />
          <text class="words" x=${x + 18} y=${top - 8}><tspan class="badge ${kind(tier)}">${BREAKERS[tier.breaker]}</tspan>${keeping(tier) && `, ${keeping(tier)}`}</text>`}
      </g>`;
    })}
    <rect class="node source" x="0" y=${HEAD} width="8" height=${full} rx="2" />
    <text class="words" x="0" y=${HEAD - 28}><tspan class="strong">Requests in</tspan></text>
    <text class="words" x="0" y=${HEAD - 8}>${text(data.per_second, "/s")}, ${count(data.requests)} in ${lengthOf(data.span_seconds)}</text>
  </svg>`;
}

/** The same for narrow pages: one bar for each tier, starting where the one before ended. */
function NarrowFlow({ data }) {
  let before = 0;
  return html`<div class="flow-list" role="img" aria-label=${sentence(data)}>
    <p><b>Requests in</b> <span class="muted">${text(data.per_second, "/s")}, ${count(data.requests)} in ${lengthOf(data.span_seconds)}</span></p>
    <svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect class="in" width="100" height="10" /></svg>
    ${data.tiers.map((tier) => {
      const from = before * 100;
      before += tier.share ?? 0;
      return html`<p><b>${tier.title} answers ${percent(tier.share)}</b> <span class="muted">${text(tier.per_second, "/s")}, ${latency(tier)}</span>
          ${tier.breaker && html`<span class="badge-line muted"><span class="badge ${kind(tier)}"><${Icon} name=${MARKS[tier.breaker]} /> ${BREAKERS[tier.breaker]}</span>${keeping(tier) && `, ${keeping(tier)}`}</span>`}</p>
        <svg class="tier-${tier.id}" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="10" /><rect class=${isUnwell(tier) ? "passed-by" : "out"} x=${Math.min(99, from)} width=${Math.max(1, (tier.share ?? 0) * 100)} height="10" /></svg>`;
    })}
  </div>`;
}

export function Flow({ data, listen }) {
  const box = useRef(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    if (!box.current) return undefined;
    setWidth(box.current.clientWidth);
    const watcher = new ResizeObserver(([entry]) => setWidth(Math.round(entry.contentRect.width)));
    watcher.observe(box.current);
    return () => watcher.disconnect();
  }, [Boolean(data), data?.requests > 0]);
  const none = data && !data.requests;
  const isWide = data && width >= Math.max(720, COLUMN * (data.tiers.length + 1));
  const unwell = data?.tiers.map((tier) => [tier, trouble(tier)]).filter(([, said]) => said.length > 0)
    .map(([tier, said]) => html`<p class="unwell" role="status" key=${tier.id}><${Icon} name="degraded" /> <span><b>${said[0]}</b> ${said.slice(1).join(" ")}</span></p>`);
  return html`<${Panel} title="Who answers" class="flow-panel" help="Every request meets the tiers from left to right. The height of a ribbon is its share of the traffic; latency is measured until the head of the answer is ready. A tier that fails is passed by for a while: its breaker is open."
    empty=${none && html`<p>No requests in the last ${lengthOf(live.span.value)}.</p><p class="muted">The tiers, their shares and their latency appear here as soon as requests come in${listen ? ` at ${listen}` : ""}.</p>${unwell}`}>
    <div class="flow-box" ref=${box}>${data && width > 0 && (isWide ? html`<${WideFlow} data=${data} width=${width} />` : html`<${NarrowFlow} data=${data} />`)}</div>
    ${data && html`<div class="hidden"><table><caption>Who answers</caption><thead><tr><th scope="col">Tier</th><th scope="col">Share</th><th scope="col">Requests</th><th scope="col">Latency</th><th scope="col">Keeps</th></tr></thead>
      <tbody>${data.tiers.map((tier) => html`<tr><th scope="row">${tier.title}</th><td>${percent(tier.share)}</td><td>${count(tier.requests)}</td><td>${latency(tier)}</td><td>${doing(tier)}</td></tr>`)}</tbody></table></div>`}
    ${unwell}
  <//>`;
}
