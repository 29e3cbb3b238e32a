// What the page knows: the chosen span, the newest snapshot of each channel, and how it got here.
//
// One socket carries everything. While it is down the page polls instead and tries again with full jitter,
// so that a restarted server is not met by all its dashboards in the same instant. Only the newest snapshot
// of each channel is kept: a page left open for a week holds as much as one just opened.
import { batch, computed, signal } from "perfkit/ui";

const API = "/api/performance";
const MAX_SPAN = 86_400;
const FRAME_MS = 100; // at most ten redraws a second, whatever the server sends
const STALE_MS = 5_000; // five missed seconds: the numbers are history and must say so
const WATCHDOG_MS = 45_000; // twice the server's ping and some
const POLL_MS = 2_000;
const HIDDEN_MS = 30_000; // a tab in the background lets its socket go after this long

/** @type {Record<string, string>} path of each view and the channel that feeds it */
export const VIEWS = { "/": "overview", "/caching": "caching", "/operations": "operations" };

const spanFromAddress = () => {
  const asked = Number(new URLSearchParams(location.search).get("span"));
  return asked >= 10 && asked <= MAX_SPAN ? Math.round(asked) : 300;
};

export const view = signal(VIEWS[location.pathname] ?? "overview");
export const span = signal(spanFromAddress());
export const playing = signal(true);
export const now = signal(Date.now());
/** "connecting" | "live" | "polling" | "reconnecting" */
export const link = signal("connecting");
export const retryAt = signal(0);
/** Whether this browser has exchanged the token. The cookie itself is hidden from scripts. */
export const signedIn = signal(localStorage.getItem("perfkit.session") === "yes");
/** Set when even reading needs the token. */
export const locked = signal(false);
/** @typedef {{ data: any, received: number, problem: Problem | null }} Feed */
/** @type {Record<string, import("perfkit/ui").Signal<Feed>>} */
export const feeds = Object.fromEntries(
  Object.values(VIEWS).map((channel) => [channel, signal({ data: null, received: 0, problem: null })]),
);
export const feed = computed(() => feeds[view.value].value);
/** The header's numbers come with the overview; the other views keep what it last said. */
export const frame = computed(() => feeds.overview.value.data);
/** How old the shown numbers are in ms, or 0 while they are fresh. */
export const age = computed(() => {
  const { data, received } = feed.value;
  const ms = now.value - received;
  return data && ms > STALE_MS ? ms : 0;
});

// ---- asking --------------------------------------------------------------------------------------------

/** A refusal in the server's own words (RFC 9457), or the network's. */
export class Problem extends Error {
  constructor(status, body) {
    super((body?.detail || body?.title || "the server did not answer").replace(/`([^`]*)`/g, "“$1”"));
    this.status = status;
    this.title = body?.title ?? "no answer";
    this.body = body ?? {};
  }
}

/** Asks the API; throws a {@link Problem} for anything but success. */
export async function ask(path, { method = "GET", body, token } = {}) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (token) headers.authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(path, {
      method, headers, credentials: "same-origin", cache: "no-store",
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
  } catch (error) {
    const detail = error.name === "TimeoutError" ? "no answer within 10 s" : "the server cannot be reached; is it still running?";
    throw new Problem(0, { title: "no answer", detail });
  }
  const text = await answer.text();
  let json = null;
  try { json = text ? JSON.parse(text) : null; } catch { /* a proxy's page: the status has to do */ }
  if (answer.ok) return json;
  if (answer.status === 401 && !token) forget();
  throw new Problem(answer.status, json ?? { title: `status ${answer.status}` });
}

function remember() {
  localStorage.setItem("perfkit.session", "yes");
  batch(() => { signedIn.value = true; locked.value = false; });
}

function forget() {
  localStorage.removeItem("perfkit.session");
  signedIn.value = false;
}

/** Exchanges the token for a cookie that scripts cannot read. */
export async function signIn(token) {
  await ask("/api/session", { method: "POST", token: token.trim() });
  remember();
  reconnect();
}

export async function signOut() {
  await ask("/api/session", { method: "DELETE" }).catch(() => {});
  forget();
}

/** Takes the token out of the address bar, then exchanges it. */
async function signInFromAddress() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  history.replaceState(null, "", location.pathname + location.search);
  await signIn(token).catch(() => forget());
}

export async function turn(knob, value, expect) {
  return ask(`${API}/knobs/${knob.split("/").map(encodeURIComponent).join("/")}`, { method: "PUT", body: { value, expect } });
}

export const undo = (event) => ask(`${API}/events/${event}/undo`, { method: "POST" });

// ---- receiving -----------------------------------------------------------------------------------------

let socket = null;
let failures = 0;
let heard = 0;
let timers = {};
const waiting = new Map();

const later = (name, ms, what) => {
  clearTimeout(timers[name]);
  timers[name] = setTimeout(what, ms);
};
const never = (name) => clearTimeout(timers[name]);

/** Puts the newest snapshot of each channel on the page, at most every {@link FRAME_MS}. */
function accept(channel, data) {
  if (!feeds[channel] || data?.span_seconds !== span.peek()) return;
  waiting.set(channel, data);
  timers.frame ??= setTimeout(() => {
    requestAnimationFrame(() => batch(() => {
      timers.frame = undefined;
      const received = Date.now();
      now.value = received;
      for (const [name, newest] of waiting) feeds[name].value = { data: newest, received, problem: null };
      waiting.clear();
    }));
  }, Math.max(0, FRAME_MS - (Date.now() - feeds[channel].peek().received)));
}

const refuse = (channel, problem) => {
  if (problem.status === 401) locked.value = true;
  feeds[channel].value = { ...feeds[channel].peek(), problem };
};

const channels = () => new Set(["overview", view.peek()]);

/** Reads every needed channel once without the socket. Answers whether the server answered. */
export async function read() {
  const asked = span.peek();
  const results = await Promise.all([...channels()].map(async (channel) => {
    try {
      const data = await ask(`${API}/${channel}?span=${asked}`);
      if (asked === span.peek()) accept(channel, data);
      return true;
    } catch (problem) {
      if (asked === span.peek()) refuse(channel, problem);
      return false;
    }
  }));
  return results.every(Boolean);
}

let polling = false;
async function poll() {
  if (polling || !playing.peek() || socket?.readyState === WebSocket.OPEN) return;
  polling = true;
  const answered = await read();
  polling = false;
  if (!playing.peek() || socket?.readyState === WebSocket.OPEN) return;
  link.value = answered ? "polling" : "reconnecting";
  later("poll", POLL_MS, poll);
}

let subscribed = new Map();
function subscribe() {
  if (socket?.readyState !== WebSocket.OPEN) return;
  const wanted = channels();
  for (const channel of subscribed.keys()) {
    if (wanted.has(channel)) continue;
    subscribed.delete(channel);
    socket.send(JSON.stringify({ type: "unsubscribe", channel }));
  }
  for (const channel of wanted) {
    if (subscribed.get(channel) === span.peek()) continue;
    subscribed.set(channel, span.peek());
    socket.send(JSON.stringify({ type: "subscribe", channel, span: span.peek() }));
  }
}

function hear() {
  heard = Date.now();
  later("watchdog", WATCHDOG_MS, () => socket?.close());
}

function connect() {
  never("retry");
  if (!playing.peek() || socket) return;
  const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${API}/live`;
  const mine = socket = new WebSocket(address);
  subscribed = new Map();
  hear();
  mine.onopen = () => { hear(); subscribe(); };
  mine.onmessage = ({ data: text }) => {
    if (mine !== socket) return;
    hear();
    const message = JSON.parse(text);
    if (message.type !== "snapshot") return;
    failures = 0;
    never("poll");
    batch(() => { link.value = "live"; locked.value = false; });
    accept(message.channel, message.data);
  };
  mine.onclose = () => {
    if (mine !== socket) return;
    socket = null;
    never("watchdog");
    if (!playing.peek()) return;
    const wait = 250 + Math.random() * Math.min(30_000, 1_000 * 2 ** failures);
    failures += 1;
    batch(() => { if (link.peek() !== "polling") link.value = "reconnecting"; retryAt.value = Date.now() + wait; });
    later("retry", wait, connect);
    later("poll", 0, poll);
  };
}

function disconnect() {
  for (const name of ["retry", "poll", "watchdog"]) never(name);
  const old = socket;
  socket = null;
  old?.close();
}

/** Tries at once instead of waiting for the back-off. */
export function reconnect() {
  failures = 0;
  disconnect();
  link.value = "connecting";
  if (playing.peek()) connect();
  else read();
}

// ---- choosing ------------------------------------------------------------------------------------------

export function play(on) {
  if (on === playing.peek()) return;
  playing.value = on;
  if (on) reconnect();
  else disconnect();
}

const address = (path) => path + (span.peek() === 300 ? "" : `?span=${span.peek()}`);

export function go(path) {
  if (VIEWS[path] === view.peek()) return;
  history.pushState(null, "", address(path));
  arrive();
}

function arrive() {
  const channel = VIEWS[location.pathname] ?? "overview";
  batch(() => { view.value = channel; span.value = spanFromAddress(); });
  freshen();
}

export function choose(seconds) {
  const length = Math.round(Math.min(MAX_SPAN, Math.max(10, seconds)));
  if (length === span.peek()) return;
  span.value = length;
  history.replaceState(null, "", address(location.pathname));
  freshen();
}

/** After another view or span: the socket is told, or a single reading is taken. */
function freshen() {
  if (socket?.readyState === WebSocket.OPEN) subscribe();
  else if (!playing.peek() || !socket) read();
}

/** Begins: the token first, so that the socket already has the cookie. */
export async function start() {
  setInterval(() => { if (!document.hidden) now.value = Date.now(); }, 1_000);
  addEventListener("popstate", arrive);
  addEventListener("online", reconnect);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return later("hidden", HIDDEN_MS, disconnect);
    never("hidden");
    now.value = Date.now();
    if (playing.peek() && !socket) reconnect();
    else if (playing.peek() && Date.now() - heard > WATCHDOG_MS) reconnect();
  });
  await signInFromAddress();
  connect();
}
