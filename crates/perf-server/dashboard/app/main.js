// The page: header, routes, and the Overview. The other views are loaded when they are asked for.
import { html, render, signal, useEffect, useId, useRef, useState } from "perfkit/ui";
import * as live from "perfkit/live";
import { Changes, Icon, Panel, Tip, Toasts, count, lengthOf, many, momentOf, text, timeOf, words } from "perfkit/parts";
import { Chart, Sparkline, repaint } from "perfkit/charts";

// ---- theme: before anything is drawn, so that nothing flashes --------------------------------------------

const THEMES = ["auto", "light", "dark"];
const theme = signal(THEMES.includes(localStorage.getItem("perfkit.theme")) ? localStorage.getItem("perfkit.theme") : "auto");

function wear(name) {
  theme.value = name;
  if (name === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  localStorage.setItem("perfkit.theme", name);
  repaint.value += 1;
}
wear(theme.peek());
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { repaint.value += 1; });

// ---- header ----------------------------------------------------------------------------------------------

const TITLES = { overview: "Overview", caching: "Caching", operations: "Operations" };
const HEALTH = { healthy: "Healthy", degraded: "Degraded", unhealthy: "Unhealthy" };

/** Follows a link inside the page without loading it again. */
function follow(event, href) {
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  const url = new URL(href, location.href);
  if (url.origin !== location.origin || !(url.pathname in live.VIEWS)) return;
  event.preventDefault();
  live.go(url.pathname);
  document.getElementById("title")?.focus();
  scrollTo(0, 0);
}
const Link = ({ href, children, ...rest }) => html`<a href=${href} onClick=${(event) => follow(event, href)} ...${rest}>${children}</a>`;

const Mark = () => html`<svg class="mark" viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" /><path class="arc" d="M6.5 21.5a9.5 9.5 0 0 1 19 0" /><path class="hand" d="M16 21.5 20.5 14" /></svg>`;

function Service() {
  const data = live.frame.value;
  const reached = data && !(live.feeds.overview.value.problem && live.age.value);
  const status = reached ? data.health.status : "unknown";
  return html`<div class="service">
    <strong title=${data?.service.origin ? `Serves ${data.service.origin} at ${data.service.listen}` : undefined}>${data?.service.name ?? "perfkit"}</strong>
    <span class="health ${status}" title=${data?.health.summary}><${Icon} name=${status in HEALTH ? status : "unknown"} />${HEALTH[status] ?? (live.link.value === "connecting" ? "Connecting" : "Not known")}</span>
    ${data && html`<span class="muted uptime">up ${lengthOf(data.service.uptime_seconds + Math.max(0, live.now.value / 1000 - data.at))}</span>`}
  </div>`;
}

const SPANS = [[300, "5 m", "5 minutes"], [3_600, "1 h", "1 hour"], [86_400, "24 h", "24 hours"]];
const UNITS = { minutes: 60, hours: 3_600 };

function SpanPicker() {
  const [open, setOpen] = useState(false);
  const button = useRef(null);
  const form = useRef(null);
  const id = useId();
  const span = live.span.value;
  const custom = !SPANS.some(([seconds]) => seconds === span);
  useEffect(() => { if (open) form.current.length.select(); }, [open]);
  const close = () => { setOpen(false); button.current.focus(); };
  const apply = (event) => {
    event.preventDefault();
    const seconds = Number(form.current.length.value) * UNITS[form.current.unit.value];
    if (seconds >= 60 && seconds <= 86_400) { live.choose(seconds); close(); } else form.current.length.setCustomValidity("1 minute to 24 hours") || form.current.reportValidity();
  };
  const [amount, unit] = span % 3_600 === 0 ? [span / 3_600, "hours"] : [Math.max(1, Math.round(span / 60)), "minutes"];
  return html`<div class="segments spans" role="group" aria-label="Span of time">
    ${SPANS.map(([seconds, short, long]) => html`<button type="button" aria-pressed=${span === seconds} aria-label=${`${short}, the last ${long}`} onClick=${() => { live.choose(seconds); setOpen(false); }}>${short}</button>`)}
    <button type="button" ref=${button} aria-pressed=${custom} aria-expanded=${open} aria-controls=${id} onClick=${() => setOpen(!open)}>${custom ? lengthOf(span) : "Custom"}</button>
    <div id=${id} class="popover" hidden=${!open} onKeyDown=${(event) => event.key === "Escape" && close()}>
      ${open && html`<form ref=${form} onSubmit=${apply}>
        <label class="field">Last <input name="length" type="number" min="1" max="1440" step="any" defaultValue=${amount} value=${amount} onInput=${(event) => event.target.setCustomValidity("")} aria-label="Length" /></label>
        <select name="unit" aria-label="Unit" value=${unit}>${Object.keys(UNITS).map((name) => html`<option value=${name} selected=${name === unit}>${name}</option>`)}</select>
        <button type="submit" class="button">Show</button>
        <p class="muted">1 minute to 24 hours</p>
      </form>`}
    </div>
  </div>`;
}

function Liveness() {
  const playing = live.playing.value;
  const link = live.link.value;
  const word = live.locked.value ? "Signed out" : !playing ? "Paused" : { live: "Live", polling: "Live, polling", connecting: "Connecting", reconnecting: "Reconnecting" }[link];
  return html`<button type="button" class="button liveness ${playing ? link : "paused"}" aria-pressed=${playing} title=${playing ? "Pause: keep these numbers on the page" : "Go on with live numbers"} onClick=${() => live.play(!playing)}>
    <span class="dot" aria-hidden="true"></span>${word}<${Icon} name=${playing ? "pause" : "play"} /></button>`;
}

function ThemeButton() {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length];
  return html`<button type="button" class="button icon-only" aria-label=${`Theme: ${theme.value}. Change to ${next}`} title=${`Theme: ${theme.value}`} onClick=${() => wear(next)}><${Icon} name=${theme.value} /></button>`;
}

const Header = () => html`<header class="bar">
  <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.getElementById("title")?.focus(); }}>Skip to content</a>
  <${Mark} />
  <${Service} />
  <nav aria-label="Views">${Object.entries(live.VIEWS).map(([path, channel]) => html`<${Link} href=${path} aria-current=${live.view.value === channel ? "page" : undefined}>${TITLES[channel]}<//>`)}</nav>
  <div class="controls"><${SpanPicker} /><${Liveness} /><${ThemeButton} /></div>
</header>`;

/** Says that the connection is gone and what is being done, above everything else. */
function Trouble() {
  const data = live.feed.value.data;
  if (live.locked.value) return null;
  if (!live.playing.value || live.link.value !== "reconnecting") return null;
  const wait = Math.max(0, Math.ceil((live.retryAt.value - live.now.value) / 1000));
  return html`<div class="trouble" role="status"><${Icon} name="degraded" />
    <span>${live.feed.value.problem?.status ? `The server answers without numbers: ${live.feed.value.problem.message}.` : "The server does not answer."} ${data ? html`What you see is from ${timeOf(data.at)}. ` : ""}Trying again${wait ? ` in ${wait}\u00a0s` : ""}.</span>
    <button type="button" class="button small" onClick=${live.reconnect}>Try now</button></div>`;
}

// ---- overview --------------------------------------------------------------------------------------------

/** The change against the span before: arrow, amount and judgement, never colour alone. */
function Delta({ card, span }) {
  const { value, previous, unit, better } = card;
  if (value == null) return html`<p class="delta">no data in this span</p>`;
  if (previous == null) return html`<p class="delta">nothing to compare with yet</p>`;
  const by = value - previous;
  const points = unit === "%" || unit === "points";
  const size = points ? Math.abs(by) : previous === 0 ? Infinity : Math.abs(by / previous) * 100;
  if (size < (points ? 0.05 : 1) || by === 0) return html`<p class="delta"><${Icon} name="same" />about the same</p>`;
  const good = (by > 0) === (better === "up");
  const amount = points ? `${words(size, "%")[0]} points ` : size === Infinity ? "" : size > 999 ? "over 10 times " : `${size < 10 ? words(size, "%")[0] : count(Math.round(size))}\u00a0% `;
  return html`<p class="delta ${good ? "good" : "bad"}" title=${`${text(previous, unit)} in the ${lengthOf(span)} before`}>
    <${Icon} name=${by > 0 ? "up" : "down"} />${amount}${by > 0 ? "higher" : "lower"}, ${good ? "better" : "worse"}</p>`;
}

function Card({ card, span }) {
  const [number, unit] = words(card.value, card.unit);
  return html`<section class="card" aria-label=${`${card.title}, number`}>
    <h2>${card.title}<${Tip} label=${card.title.toLowerCase()}>${card.help}<//></h2>
    <p class="value"><b>${number}</b> <span>${unit}</span></p>
    <${Delta} card=${card} span=${span} />
    <${Sparkline} values=${card.spark} />
    <p class="muted samples">${card.count ? `from ${many(card.count, "sample")}` : "\u00a0"}</p>
  </section>`;
}

const CARD_TITLES = ["Performance score", "Cache hit ratio", "Response time p95", "Resource efficiency", "Requests", "Errors"];
function Cards({ feed }) {
  const data = feed.data;
  if (data) return html`<div class="cards">${data.cards.map((card) => html`<${Card} key=${card.id} card=${card} span=${data.span_seconds} />`)}</div>`;
  return html`<div class="cards" aria-busy=${!feed.problem}>${CARD_TITLES.map((title) => html`<section class="card" aria-label=${`${title}, number`} key=${title}><h2>${title}</h2>
    ${feed.problem ? html`<p class="value"><b>–</b></p><p class="delta">not loaded</p>` : html`<div class="skeleton"></div>`}</section>`)}</div>`;
}

const SEVERITY = { info: ["info", "For your information"], warning: ["degraded", "Warning"], critical: ["unhealthy", "Critical"] };

const Attention = ({ items }) => html`<${Panel} class="attention" title="Needs attention" note=${items?.length ? count(items.length) : undefined}
  empty=${items?.length === 0 && html`<p><${Icon} name="healthy" /> Nothing needs attention.</p><p class="muted">Alerts, the worst bottleneck and the best next step appear here.</p>`}>
  ${items?.length > 0 && html`<ul class="items">${items.map((item) => html`<li class=${item.severity} key=${item.title}>
    <${Icon} name=${SEVERITY[item.severity]?.[0] ?? "info"} label=${SEVERITY[item.severity]?.[1] ?? item.severity} />
    <div><h3>${item.title}</h3><p>${item.detail}</p>${item.action && html`<${Link} class="button small" href=${item.action.href}>${item.action.label}<//>`}</div></li>`)}</ul>`}
<//>`;

const History = ({ events }) => html`<${Panel} class="history" title="Recent changes"
  empty=${events?.length === 0 && html`<p>No knob has been turned in the last ${lengthOf(live.span.value)}.</p><p class="muted">Turns from the <${Link} href="/caching">Caching<//> view, the API or a program appear here and as marks on the charts, each with the way back.</p>`}>
  ${events?.length > 0 && html`<${Changes} events=${events} />`}
<//>`;

/** What to do when there is no traffic yet: one line to copy. */
const NoTraffic = ({ service }) => html`<p>No requests in the last ${lengthOf(live.span.value)}.</p>
  ${service?.listen && html`<p class="muted">Send one and it shows here within a second:</p><p><code>curl ${/^https?:/.test(service.listen) ? service.listen : `http://${service.listen}`}/</code></p>`}`;

const CHARTS = {
  requests: { title: "Requests per second", stacked: true },
  latency: { title: "Response time", canLog: true, empty: html`<p>No response times yet.</p><p class="muted">Median, p95 and p99 appear with the first requests.</p>` },
  memory: { title: "Memory" },
};

function Overview({ feed }) {
  const data = feed.data;
  const chart = (id) => data?.charts.find((chart) => chart.id === id);
  return html`<${Cards} feed=${feed} />
    <div class="columns">
      <${Attention} items=${data?.attention} />
      <div class="charts">${Object.keys(CHARTS).map((id) => html`<${Chart} key=${id} chart=${chart(id)} events=${data?.events} ...${CHARTS[id]}
        empty=${id === "requests" ? html`<${NoTraffic} service=${data?.service} />` : CHARTS[id].empty} />`)}</div>
      <${History} events=${data?.events} />
    </div>`;
}

// ---- page ------------------------------------------------------------------------------------------------

/** Adds a style sheet; done when it is in use, so that nothing is drawn without it. */
const wearing = (href) => new Promise((resolve, reject) => {
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href, onload: resolve, onerror: () => reject(new Error("its style sheet did not come")) });
  document.head.append(link);
});

/** What is loaded when it is first shown. */
const LATER = {
  caching: () => Promise.all([import("perfkit/caching"), wearing("/assets/app/panels.css"), wearing("/assets/app/caching.css")]).then(([module]) => module.Caching),
  operations: () => Promise.all([import("perfkit/operations"), wearing("/assets/app/panels.css"), wearing("/assets/app/operations.css")]).then(([module]) => module.Operations),
  session: () => import("perfkit/session").then((module) => module.SignIn),
};
const loaded = { overview: signal(Overview), caching: signal(null), operations: signal(null), session: signal(null) };

function View() {
  const channel = live.view.value;
  const locked = live.locked.value;
  const part = locked ? "session" : channel;
  const Shown = loaded[part].value;
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    setProblem(null);
    if (!loaded[part].peek()) LATER[part]().then((piece) => { loaded[part].value = piece; }, setProblem);
  }, [part]);
  const feed = live.feed.value;
  const data = feed.data;
  const length = lengthOf(live.span.value);
  const health = live.frame.value?.health;
  useEffect(() => {
    const name = live.frame.value?.service.name;
    document.title = [health && health.status !== "healthy" ? `${HEALTH[health.status]}:` : "", TITLES[channel], name ? `– ${name}` : "– perfkit"].filter(Boolean).join(" ");
  }, [channel, health?.status, live.frame.value?.service.name]);
  return html`<main id="main">
    <div class="page-head">
      <h1 id="title" tabIndex="-1">${TITLES[channel]}</h1>
      <p class="muted">The last ${length}${channel === "overview" ? `, compared with the ${length} before` : ""}.
        ${data && html` <span class="updated">Updated <time title=${momentOf(data.at)}>${timeOf(data.at)}</time>.</span>`}</p>
    </div>
    ${health && health.status !== "healthy" && html`<div class="summary ${health.status}"><${Icon} name=${health.status} /> <span><b>${HEALTH[health.status]}:</b> ${health.summary}</span></div>`}
    ${problem ? html`<section class="panel"><div class="state"><p>This view could not be loaded: ${problem.message}</p><button type="button" class="button" onClick=${() => location.reload()}>Load the page again</button></div></section>`
      : Shown && locked ? html`<section class="panel"><${Shown}>This dashboard is open to those who have its token.<//></section>`
      : Shown ? html`<${Shown} feed=${feed} />`
      : html`<section class="panel"><div class="skeleton" role="status"><span class="hidden">Loading</span></div></section>`}
  </main>`;
}

const Footer = () => html`<footer class="foot muted"><span>perfkit ${live.frame.value?.service.version ?? ""}</span>
  <a href="/openapi.json">API description</a><a href="/api/performance/metrics?span=300">Metrics</a><a href="/assets/vendor/LICENSES">Licences</a>
  ${live.signedIn.value && html`<button type="button" class="button small quiet" onClick=${live.signOut}>Sign out</button>`}</footer>`;

const Page = () => html`<${Header} /><${Trouble} /><${View} /><${Footer} /><${Toasts} />`;

const page = document.getElementById("page");
page.replaceChildren();
render(html`<${Page} />`, page);
live.start();
