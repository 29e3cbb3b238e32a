// Charts over time and sparklines. uPlot draws; what is here gives it our units, colours, gaps, marks,
// a cursor shared by all charts, and everything a canvas lacks for people who do not see it or use no pointer.
import { html, signal, uPlot, useEffect, useLayoutEffect, useMemo, useRef, useState } from "perfkit/ui";
import * as live from "perfkit/live";
import { Icon, Panel, count, knobName, lengthOf, momentOf, tell, text, timeOf, timeOn, words } from "perfkit/parts";

/** Bumped when the theme changes: canvases cannot follow custom properties by themselves. */
export const repaint = signal(0);

const MOST_SERIES = 12;
const ROWS = 12;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

/** A colour token as the canvas understands it: resolved for the theme in use, with some of its strength. */
const probe = document.documentElement.appendChild(document.createElement("i"));
probe.hidden = true;
function ink(name, strength = 1) {
  probe.style.color = `var(${name})`;
  const [red, green, blue] = getComputedStyle(probe).color.match(/[\d.]+/g);
  return `rgba(${red},${green},${blue},${strength})`;
}
const KNOWN = new Set(["hit", "stale", "revalidated", "miss", "bypass", "error", "disk", "remote", "cdn", "p50", "p95", "p99", "memory", "process", "hit_ratio", "bytes", "capacity", "completed", "failed", "timed_out", "cancelled", "rejected"]);
const colourName = (id, i) => (KNOWN.has(id) ? `--s-${id}` : `--s-${["hit", "p95", "memory", "p99", "error", "process"][i % 6]}`);
const DASHES = { p99: [6, 3], capacity: [4, 4], process: [6, 3], error: [2, 2], stale: [6, 3], cdn: [2, 2] };
const BINARY = Array.from({ length: 50 }, (_, power) => 2 ** power);

// ---- uPlot with our manners ------------------------------------------------------------------------------

/** Points with a gap on both sides have no line to be seen by. */
function lonely(u, series) {
  const values = u.data[series];
  const found = [];
  for (let i = 0; i < values.length; i += 1) {
    if (values[i] != null && values[i - 1] == null && values[i + 1] == null) found.push(i);
  }
  return found.length ? found : null;
}

function axisText(value, unit) {
  if (value == null) return "";
  const [number, of] = words(value, unit);
  const short = number.replace(/([.,]\d*?)0+$/, "$1").replace(/[.,]$/, "");
  return of === "/s" || of === "" || of === "points" ? short : `${short} ${of}`;
}

/** Of the marks of a log scale only the decades: the rest would be a hatching. */
const decades = (u, at) => at.map((value) => (value != null && Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9 ? value : null));

/** Draws turns of knobs as lines with a flag; those that stand close share one label behind the last. */
function marker(u, marks, colour, words) {
  const { ctx, bbox } = u;
  const ratio = devicePixelRatio;
  const end = bbox.left + bbox.width;
  const groups = [];
  for (const mark of marks) {
    const x = Math.round(u.valToPos(mark.at, "x", true));
    if (x < bbox.left || x > end) continue;
    const group = groups.at(-1);
    if (group && x - group.at.at(-1) < 16 * ratio) {
      group.at.push(x);
      group.labels.add(mark.label);
    } else groups.push({ at: [x], labels: new Set([mark.label]) });
  }
  let free = -Infinity;
  ctx.save();
  ctx.font = `${12 * ratio}px ${css("--font")}`;
  ctx.textBaseline = "top";
  ctx.textAlign = "left";
  ctx.lineWidth = ratio;
  for (const { at, labels } of groups) {
    ctx.strokeStyle = ctx.fillStyle = colour;
    for (const x of at) {
      ctx.setLineDash([3 * ratio, 3 * ratio]);
      ctx.beginPath();
      ctx.moveTo(x, bbox.top - 4 * ratio);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
      ctx.beginPath();
      ctx.arc(x, bbox.top - 6 * ratio, 3 * ratio, 0, 7);
      ctx.fill();
    }
    const label = at.length === 1 ? [...labels][0] : `${at.length} turns`;
    const wide = ctx.measureText(label).width;
    const behind = at.at(-1) + 8 * ratio;
    const from = behind + wide < end ? behind : at[0] - 8 * ratio - wide;
    if (from <= free) continue;
    ctx.fillStyle = words;
    ctx.fillText(label, from, bbox.top - 13 * ratio);
    free = from + wide + 8 * ratio;
  }
  ctx.restore();
}

/** What uPlot draws: `null` wherever a series is hidden, sums from the bottom up when stacked. */
function columns(chart, stacked, hidden) {
  const shown = chart.series.map((series) => !hidden.has(series.id));
  if (!stacked) return [chart.time, ...chart.series.map((s, i) => (shown[i] ? s.values : s.values.map(() => null)))];
  const sum = chart.time.map(() => 0);
  return [chart.time, ...chart.series.map((series, i) => series.values.map((value, t) => {
    if (!shown[i]) return null;
    if (value == null && chart.series.every((other) => other.values[t] == null)) return null;
    sum[t] += value ?? 0;
    return sum[t];
  }))];
}

/** The time that all charts of a view show, whatever each of them has points for: their times stand below each other. */
function shownTime() {
  const { at, span_seconds: length } = live.feed.peek().data ?? { at: 1, span_seconds: 1 }; // a view that is just leaving
  return [at - length, at];
}

function options({ chart, stacked, log, hidden, width, height, span, marks, onCursor }) {
  const font = `12px ${css("--font")}`;
  const narrow = width < 480;
  const shown = chart.series.map((s, i) => i).filter((i) => !hidden.has(chart.series[i].id));
  const axis = { stroke: ink("--muted"), font, grid: { stroke: ink("--line"), width: 1 }, ticks: { show: false } };
  const top = (u, low, high) => {
    if (chart.unit === "%") return [0, 100];
    return [0, high > 0 ? high * 1.08 : 1];
  };
  return {
    width, height,
    padding: [20, 28, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: "perfkit", setSeries: false }, drag: { x: false, y: false }, y: false, points: { size: 8, width: 2, stroke: (u, i) => u.series[i].stroke(), fill: ink("--surface") } },
    scales: {
      x: { time: true, range: shownTime },
      y: log ? { distr: 3, range: (u, low, high) => (low > 0 ? [10 ** Math.floor(Math.log10(low)), 10 ** Math.ceil(Math.log10(high * 1.001))] : [0.1, 10]) } : { range: top },
    },
    axes: [
      { ...axis, grid: { show: false }, size: 24, gap: 6, space: narrow ? 64 : 88, values: (u, at) => at.map((t) => timeOn(t, span)) },
      { ...axis, grid: log ? { ...axis.grid, filter: decades } : axis.grid, size: narrow ? 56 : 72, gap: 8, space: 28, incrs: chart.unit === "bytes" ? BINARY : undefined, values: (u, at) => at.map((v) => axisText(v, chart.unit)) },
    ],
    bands: stacked ? shown.slice(1).map((i, n) => ({ series: [i + 1, shown[n] + 1] })) : [],
    series: [{}, ...chart.series.map((series, i) => {
      const name = colourName(series.id, i);
      const colour = ink(name);
      return {
        label: series.title,
        stroke: colour,
        width: stacked ? 0 : 2, // a line on top of nothing would show a series that is not there
        dash: stacked ? undefined : DASHES[series.id],
        fill: stacked ? ink(name, 0.8) : chart.series.length === 1 ? ink(name, 0.12) : undefined,
        points: { show: false, size: 5, fill: colour, filter: lonely },
      };
    })],
    hooks: {
      setCursor: [(u) => onCursor(u.cursor.idx)],
      draw: [(u) => marker(u, marks(), ink("--accent"), ink("--muted"))],
    },
  };
}

// ---- the chart and its other faces -----------------------------------------------------------------------

/** The swatch shows colour and dash, so that the legend can be read without colour. */
const Swatch = ({ id, i, stacked }) => html`<svg class="swatch" viewBox="0 0 16 10" aria-hidden="true">${stacked
  ? html`<rect width="16" height="10" rx="2" style=${{ fill: `var(${colourName(id, i)})` }} />`
  : html`<path d="M0 5h16" stroke-dasharray=${DASHES[id]?.join(" ")} style=${{ stroke: `var(${colourName(id, i)})` }} />`}</svg>`;

/** Values at the cursor, or the newest when there is no cursor. */
function Legend({ chart, stacked, cursor, hidden, onToggle }) {
  const at = cursor.value ?? newest(chart);
  const total = stacked && at != null ? chart.series.reduce((sum, s) => (hidden.has(s.id) || s.values[at] == null ? sum : (sum ?? 0) + s.values[at]), null) : null;
  return html`<ul class="legend">
    ${chart.series.map((series, i) => html`<li key=${series.id}>
      <button type="button" aria-pressed=${!hidden.has(series.id)} title=${hidden.has(series.id) ? "Show" : "Hide"} onClick=${() => onToggle(series.id)}>
        <${Swatch} id=${series.id} i=${i} stacked=${stacked} /><span>${series.title}</span>
        <b>${at == null ? "–" : text(series.values[at], chart.unit)}</b>
      </button></li>`)}
    ${stacked && html`<li class="total"><span>Total</span> <b>${text(total, chart.unit)}</b></li>`}
    <li class="when ${cursor.value == null ? "newest" : ""}">${cursor.value == null ? "newest" : html`at ${timeOf(chart.time[at])}`}</li>
  </ul>`;
}

/** The last point that has a value; the running second often has none yet. */
function newest(chart) {
  for (let i = chart.time.length - 1; i >= 0; i -= 1) {
    if (chart.series.some((series) => series.values[i] != null)) return i;
  }
  return null;
}

const spoken = (chart, i) => `${timeOf(chart.time[i])}: ${chart.series.map((s) => `${s.title} ${s.values[i] == null ? "no data" : text(s.values[i], chart.unit)}`).join(", ")}`;

function csvOf(chart) {
  const head = ["time", ...chart.series.map((s) => `${s.id} (${chart.unit})`)];
  const rows = chart.time.map((t, i) => [new Date(t * 1000).toISOString(), ...chart.series.map((s) => s.values[i] ?? "")]);
  return [head, ...rows].map((row) => row.join(",")).join("\n");
}

async function copy(chart) {
  try {
    await navigator.clipboard.writeText(csvOf(chart));
    tell(`Copied ${count(chart.time.length)} rows of ${chart.title.toLowerCase()} as CSV`);
  } catch {
    tell("Not copied: the browser does not let this page use the clipboard", { kind: "problem" });
  }
}

/** The same points as a table: always there for screen readers, newest first, and on demand for everyone. */
function Points({ chart, open }) {
  const [page, setPage] = useState(0);
  const pages = Math.max(1, Math.ceil(chart.time.length / ROWS));
  const from = chart.time.length - 1 - Math.min(page, pages - 1) * ROWS;
  const rows = [];
  for (let i = from; i > from - ROWS && i >= 0; i -= 1) rows.push(i);
  return html`<div class=${open ? "points" : "hidden"}>
    <div class=${open ? "scroll" : ""} tabIndex=${open ? 0 : undefined} role=${open ? "region" : undefined} aria-label=${open ? `${chart.title}, table` : undefined}><table>
      <caption class="hidden">${chart.title}, newest first</caption>
      <thead><tr><th scope="col">Time</th>${chart.series.map((s) => html`<th scope="col" class="n">${s.title}</th>`)}</tr></thead>
      <tbody>${rows.map((i) => html`<tr key=${chart.time[i]}><th scope="row">${timeOf(chart.time[i])}</th>
        ${chart.series.map((s) => html`<td class="n">${s.values[i] == null ? "–" : text(s.values[i], chart.unit)}</td>`)}</tr>`)}</tbody>
    </table></div>
    ${open && html`<div class="row pager">
      <button type="button" class="button small" disabled=${page === 0} onClick=${() => setPage(page - 1)}>Newer</button>
      <span class="muted">Page ${Math.min(page, pages - 1) + 1} of ${pages}</span>
      <button type="button" class="button small" disabled=${page >= pages - 1} onClick=${() => setPage(page + 1)}>Older</button>
      <button type="button" class="button small quiet" onClick=${() => copy(chart)}>Copy as CSV</button>
    </div>`}
  </div>`;
}

/**
 * One chart of the API in its panel.
 * @param {{chart: any, title: string, events?: any[], stacked?: boolean, canLog?: boolean, empty?: any, class?: string}} props
 */
export function Chart({ chart, title, events = [], stacked = false, canLog = false, empty, class: name }) {
  const [log, setLog] = useState(false);
  const [table, setTable] = useState(false);
  const has = chart?.series.some((series) => series.values.some((value) => value != null));
  const tools = has && html`
    ${canLog && html`<button type="button" class="button small quiet" aria-pressed=${log} onClick=${() => setLog(!log)}>Log scale</button>`}
    <button type="button" class="button small quiet" aria-pressed=${table} onClick=${() => setTable(!table)}><${Icon} name="table" /> Table</button>`;
  return html`<${Panel} class="chart ${name ?? ""}" title=${chart?.title ?? title} help=${chart?.help} tools=${tools} empty=${chart && !has ? empty ?? html`<p>Nothing measured in the last ${lengthOf(live.span.value)}.</p>` : null}>
    ${chart && has && html`<${Plot} chart=${chart} events=${events} stacked=${stacked} log=${log} /><${Points} chart=${chart} open=${table} />`}
  <//>`;
}

function Plot({ chart: given, events, stacked, log }) {
  const chart = useMemo(() => (given.series.length > MOST_SERIES ? { ...given, series: given.series.slice(0, MOST_SERIES) } : given), [given]);
  const [hidden, setHidden] = useState(() => new Set());
  const box = useRef(null);
  const plot = useRef(null);
  const seen = useRef({ visible: true, dirty: false });
  const newestProps = useRef({});
  const cursor = useMemo(() => signal(null), []);
  const said = useMemo(() => signal(""), []);
  const speaking = useRef(0);
  const span = live.span.value;
  const theme = repaint.value;
  const marks = useMemo(() => events.map((event) => ({ at: event.at, label: `${event.kind === "undo" ? "undo " : ""}${event.knob.replaceAll("_", " ")}` })).sort((a, b) => a.at - b.at), [events]);
  newestProps.current = { chart, stacked, hidden, marks };

  const refresh = () => {
    const { chart, stacked, hidden } = newestProps.current;
    if (!plot.current) return;
    if (!seen.current.visible || document.hidden) { seen.current.dirty = true; return; }
    seen.current.dirty = false;
    plot.current.setData(columns(chart, stacked, hidden));
  };

  // Built anew only when its shape changes; new data is given to the one there is.
  const shape = chart.series.map((series) => series.id).join();
  useLayoutEffect(() => {
    const { clientWidth: width, clientHeight: height } = box.current;
    let waiting = 0;
    const onCursor = (index) => {
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(() => { cursor.value = index ?? null; });
    };
    plot.current = new uPlot(
      options({ chart, stacked, log, hidden, width, height, span, marks: () => newestProps.current.marks, onCursor }),
      columns(chart, stacked, hidden), box.current,
    );
    const resized = new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      if (width > 0 && (width !== plot.current?.width || height !== plot.current?.height)) plot.current?.setSize({ width, height });
    });
    resized.observe(box.current);
    return () => {
      resized.disconnect();
      cancelAnimationFrame(waiting);
      plot.current.destroy();
      plot.current = null;
    };
  }, [shape, stacked, log, hidden, span, theme]);

  useEffect(() => {
    const watcher = new IntersectionObserver(([entry]) => {
      seen.current.visible = entry.isIntersecting;
      if (entry.isIntersecting && seen.current.dirty) refresh();
    }, { rootMargin: "64px" });
    watcher.observe(box.current);
    const woken = () => { if (!document.hidden && seen.current.dirty) refresh(); };
    document.addEventListener("visibilitychange", woken);
    return () => { watcher.disconnect(); document.removeEventListener("visibilitychange", woken); };
  }, []);
  useLayoutEffect(refresh, [chart, marks]);

  const point = (index) => {
    const u = plot.current;
    const last = chart.time.length - 1;
    const i = Math.max(0, Math.min(last, index));
    u.setCursor({ left: u.valToPos(chart.time[i], "x"), top: 8 }, true, true);
    clearTimeout(speaking.current);
    speaking.current = setTimeout(() => { said.value = spoken(chart, i); }, 250);
  };
  const leave = () => {
    clearTimeout(speaking.current);
    said.value = "";
    plot.current?.setCursor({ left: -10, top: -10 }, true, true);
  };
  const onKeyDown = (event) => {
    const at = cursor.value ?? newest(chart) ?? 0;
    const step = event.shiftKey ? 10 : 1;
    const to = { ArrowLeft: at - step, ArrowRight: at + step, Home: 0, End: chart.time.length - 1, PageUp: at - 60, PageDown: at + 60 }[event.key];
    if (event.key === "Escape") leave();
    if (to === undefined) return;
    event.preventDefault();
    point(to);
  };
  const toggle = (id) => {
    const next = new Set(hidden);
    if (!next.delete(id)) next.add(id);
    if (next.size < chart.series.length) setHidden(next);
  };
  const last = newest(chart);
  return html`<figure>
    <${Legend} chart=${chart} stacked=${stacked} cursor=${cursor} hidden=${hidden} onToggle=${toggle} />
    <div class="plot" ref=${box} tabIndex="0" role="application" aria-roledescription="chart"
      aria-label=${`${chart.title}. Arrow keys move through ${count(chart.time.length)} points. ${last == null ? "" : `Newest, ${spoken(chart, last)}`}`}
      onKeyDown=${onKeyDown} onBlur=${leave}></div>
    <${Spoken} said=${said} />
    <figcaption class="hidden">${chart.title} over the last ${lengthOf(span)}. ${chart.help ?? ""}
      ${events.map((event) => `${knobName(event)} was turned ${momentOf(event.at)}. `)}</figcaption>
  </figure>`;
}

const Spoken = ({ said }) => html`<p class="hidden" aria-live="polite">${said.value}</p>`;

// ---- sparkline -------------------------------------------------------------------------------------------

/** Sixty points without axes. Scaled to what happened, but never so far that noise looks like news. */
export function Sparkline({ values }) {
  const known = values.filter((value) => value != null);
  if (known.length < 2) return html`<svg class="spark" viewBox="0 0 60 24" preserveAspectRatio="none" aria-hidden="true"><path class="none" d="M0 22H60" /></svg>`;
  let low = Math.min(...known);
  let high = Math.max(...known);
  const least = Math.max(Math.abs(high) * 0.2, 1e-9);
  if (high - low < least) {
    const middle = (high + low) / 2;
    low = Math.max(Math.min(0, low), middle - least / 2);
    high = low + least;
  }
  const x = (i) => ((i * 60) / (values.length - 1)).toFixed(1);
  const y = (value) => (22 - (20 * (value - low)) / (high - low)).toFixed(1);
  let line = "";
  let area = "";
  let from = null;
  values.forEach((value, i) => {
    if (value == null) { from = null; return; }
    if (from === null) { from = i; line += `M${x(i)} ${y(value)}h.01`; } else line += `L${x(i)} ${y(value)}`;
    if (values[i + 1] == null && from !== i) {
      area += `M${x(from)} 24${values.slice(from, i + 1).map((v, n) => `L${x(from + n)} ${y(v)}`).join("")}L${x(i)} 24Z`;
    }
  });
  return html`<svg class="spark" viewBox="0 0 60 24" preserveAspectRatio="none" aria-hidden="true"><path class="area" d=${area} /><path class="line" d=${line} /></svg>`;
}
