// Strategies of caches: what is kept, generated from what was seen, edited; what each would change is in plan.js.
import { html, useEffect, useId, useRef, useState } from "perfkit/ui";
import * as live from "perfkit/live";
import { Icon, Panel, count, many, tell, text, valueOf } from "perfkit/parts";
import { Outcome, Plan } from "perfkit/plan";
import { EXAMPLES, bounds, read, spelled } from "perfkit/typed";

const ADDRESS = "/api/performance/cache-strategies";
const EVERY_MS = 5_000;
const SOON_MS = 1_000; // while one is carried out
const percent = (share) => (share == null ? "–" : text(share * 100, "%"));
const place = (id) => `${ADDRESS}/${encodeURIComponent(id)}`;
const refusal = (problem) => (problem.status === 401 ? "You are no longer signed in. Sign in at the knobs and try again." : problem.message);

/** What is kept, asked for while the page is looked at. */
function useStrategies() {
  const [state, setState] = useState({ rows: null, problem: null });
  const playing = live.playing.value;
  const refresh = useRef(() => {});
  useEffect(() => {
    let over = false;
    let timer;
    const ask = async () => {
      clearTimeout(timer);
      let rows = null;
      try {
        rows = document.hidden ? null : (await live.ask(ADDRESS)).strategies;
        if (!over && rows) setState({ rows, problem: null });
      } catch (problem) {
        if (!over) setState((before) => ({ ...before, problem }));
      }
      const soon = rows?.some((row) => row.status === "optimizing");
      if (!over && (playing || soon)) timer = setTimeout(ask, soon ? SOON_MS : EVERY_MS);
    };
    refresh.current = ask;
    ask();
    return () => { over = true; clearTimeout(timer); };
  }, [playing]);
  return [state, () => refresh.current()];
}

// ---- in words --------------------------------------------------------------------------------------------

const KINDS = { memory: "memory alone", disk: "a disk alone", distributed: "a tier that other machines share", hybrid: "memory over a disk" };
const STATUS = { active: ["healthy", "active"], disabled: ["pause", "disabled"], optimizing: ["retry", "being carried out"] };
const WARM = { hottest: "the hottest of the last run", snapshot: "a snapshot of the last run" };

/** What it says beside its tiers and switches. */
function saying({ patterns, invalidation, warm_up: warm, prefetch }) {
  return [
    prefetch ? `Loads ahead, up to ${percent(prefetch.budget_share)} of the cache, while ${percent(prefetch.least_precision)} of it is used.` : "",
    warm ? `Begins with ${many(warm.keys, "key")}: ${WARM[warm.from] ?? "a list"}.` : "",
    patterns?.length ? `${many(patterns.length, "rule")} for keys: ${patterns.slice(0, 3).map((rule) => rule.pattern).join(", ")}${patterns.length > 3 ? " and more" : ""}.` : "",
    invalidation?.length ? `${many(invalidation.length, "rule")} for what ends together.` : "",
  ].filter(Boolean);
}

function Words({ row }) {
  const { strategy } = row;
  const [icon, status] = STATUS[row.status] ?? ["unknown", row.status];
  const { expected, reasons = [] } = strategy;
  return html`<div class="strategy-words">
    <p class="verdict-line">${row.id}: ${KINDS[row.kind] ?? row.kind} <span class="chip"><${Icon} name=${icon} /> ${status}</span></p>
    ${expected && html`<p>Expected: <b>${percent(expected.hit_ratio)}</b> of the lookups hit, ${percent(expected.default)} with the default <span class="muted">${expected.requests ? `from ${many(expected.requests, "request")}` : "as the running cache estimates"}</span></p>`}
    <ul>${reasons.map((reason) => html`<li class="muted">Because ${reason}.</li>`)}${saying(strategy).map((line) => html`<li class="muted">${line}</li>`)}</ul>
  </div>`;
}

// ---- the draft -------------------------------------------------------------------------------------------

const SWITCHES = {
  auto_tuning: ["Sizes", "how much each tier may hold"],
  dynamic_ttl: ["Times to live", "how long entries are kept"],
  intelligent_prefetching: ["Loading ahead", "what is loaded before it is asked for"],
  adaptive_eviction: ["Policy", "which entries make room"],
};
const TIERS = { memory: "Memory", disk: "Disk", remote: "Remote", cdn: "CDN" };
/** What can be said of a tier, with the knob that bounds it. */
const FIELDS = {
  memory: [["max_bytes", "Size", "bytes", "memory/capacity"], ["max_entries", "Entries", "count", "memory/capacity"], ["time_to_live_seconds", "Time to live", "duration", "memory/time_to_live"], ["policy", "Policy", "choice", "memory/policy"], ["cold_share", "Cold share", "number", null]],
  disk: [["max_bytes", "Size", "bytes", "tiers/disk_capacity"]],
};

function Switches({ draft, change, locked }) {
  return html`<fieldset class="switches"><legend>What it may change</legend>${Object.entries(SWITCHES).map(([name, [title, help]]) => html`<label key=${name}>
    <input type="checkbox" role="switch" checked=${draft[name]} disabled=${locked} onChange=${(event) => change({ ...draft, [name]: event.target.checked })} />
    <span>${title} <span class="muted">${help}</span></span></label>`)}</fieldset>`;
}

/** A number with its unit and bounds; left empty, it stays as it is. */
function Field({ title, kind, knob, value, set, locked }) {
  const id = useId();
  const [typed, setTyped] = useState(null); // null: as it stands
  const [problem, setProblem] = useState(null);
  const hint = knob && kind !== "choice" ? bounds(knob) : kind === "number" ? "0 to 1" : "";
  const done = (said) => {
    const wanted = said.trim() === "" ? null : read(kind, said);
    if (wanted === undefined) return setProblem(`“${said}” cannot be read. ${EXAMPLES[kind]}`);
    if (wanted !== null && knob?.min != null && typeof wanted === "number" && (wanted < knob.min || wanted > knob.max)) return setProblem(`${valueOf(wanted, kind)} is out of bounds: use ${hint}.`);
    setProblem(null);
    setTyped(null);
    return wanted !== value && set(wanted);
  };
  const shared = { id, disabled: locked, "aria-invalid": problem ? "true" : undefined, "aria-describedby": `${id}-hint ${id}-problem` };
  return html`<div class="field-row"><label for=${id}>${title}</label>
    ${kind === "choice" ? html`<select ...${shared} onChange=${(event) => set(event.target.value || null)}><option value="" selected=${!value}>as it is</option>${(knob?.options ?? (value ? [value] : [])).map((name) => html`<option value=${name} selected=${name === value}>${name}</option>`)}</select>`
      : html`<input type="text" autocomplete="off" spellcheck=${false} placeholder="as it is" ...${shared} value=${typed ?? (value == null ? "" : spelled(value, kind))} onInput=${(event) => { setTyped(event.target.value); setProblem(null); }} onChange=${(event) => done(event.target.value)} />`}
    <span class="muted" id=${`${id}-hint`}>${hint}</span>
    <p class="problem" id=${`${id}-problem`} role="alert">${problem}</p></div>`;
}

function Tiers({ draft, change, knobs, locked }) {
  const set = (at, name) => (value) => change({ ...draft, tiers: draft.tiers.map((tier, i) => (i === at ? { ...tier, [name]: value } : tier)) });
  const byId = (id) => knobs.find((knob) => knob.id === id);
  return html`<div class="strategy-tiers">${draft.tiers.map((tier, at) => html`<fieldset key=${tier.tier}><legend>${TIERS[tier.tier] ?? tier.tier}</legend>
    ${(FIELDS[tier.tier] ?? []).filter(([name, , kind, knob]) => tier[name] != null || !["bytes", "count"].includes(kind) || !byId(knob) || byId(knob).kind === kind).map(([name, title, kind, knob]) => html`<${Field} key=${`${draft.name} ${name}`} title=${title} kind=${kind} knob=${byId(knob)} value=${tier[name]} set=${set(at, name)} locked=${locked} />`)}
    ${!FIELDS[tier.tier] && html`<p class="muted">${tier.tier === "cdn" ? "Its store" : "Its server"} decides how much it holds.</p>`}</fieldset>`)}</div>`;
}

// ---- generating ------------------------------------------------------------------------------------------

/** The first name of this kind that is free. */
const freeName = (base, rows) => {
  const taken = new Set(rows.map((row) => row.id));
  for (let n = 1; ; n += 1) {
    const name = n === 1 ? base : `${base}-${n}`;
    if (!taken.has(name)) return name;
  }
};

function Generate({ rows, data, done, cancel }) {
  const capacity = data.knobs.find((knob) => knob.id === "memory/capacity");
  const [most, setMost] = useState(() => (capacity ? spelled(capacity.value, capacity.kind) : ""));
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const field = useRef(null);
  const id = useId();
  useEffect(() => { field.current?.select(); }, []);
  const submit = async (event) => {
    event.preventDefault();
    const kind = capacity?.kind ?? "bytes";
    const bound = most.trim() ? read(kind, most) : null;
    if (bound === undefined) return setProblem(`“${most}” cannot be read. ${EXAMPLES[kind]}`);
    const disk = data.tiers.find((tier) => tier.id === "disk");
    const generate = {
      name: freeName("generated", rows), cache: "memory", [kind === "count" ? "max_entries" : "max_bytes"]: bound,
      disk_bytes: disk?.capacity_bytes ?? undefined, shared: data.tiers.some((tier) => tier.id === "remote"),
    };
    setBusy(true);
    try {
      const row = await live.ask(ADDRESS, { method: "POST", body: { generate } });
      tell(`Strategy ${row.id} is made from what the cache has seen; nothing is changed yet`);
      return done(row);
    } catch (refused) {
      setProblem(refusal(refused));
      setBusy(false);
      return requestAnimationFrame(() => field.current?.focus());
    }
  };
  return html`<form class="editor" onSubmit=${submit} noValidate onKeyDown=${(event) => event.key === "Escape" && cancel()}>
    <label for=${id}>Memory at most <span class="muted">${capacity ? bounds(capacity) : ""}</span></label>
    <div class="row"><input id=${id} ref=${field} type="text" autocomplete="off" spellcheck=${false} value=${most} aria-invalid=${problem ? "true" : undefined} aria-describedby=${`${id}-problem`} onInput=${(event) => { setMost(event.target.value); setProblem(null); }} />
      <button type="submit" class="button primary" disabled=${busy}>${busy ? "Generating" : "Generate"}</button><button type="button" class="button" onClick=${cancel}>Cancel</button></div>
    <p class="muted">From the keys that this cache was asked for: their sizes, how often they come back, what other policies would have hit. It is kept, and changes nothing until you carry it out.</p>
    <p class="problem" id=${`${id}-problem`} role="alert">${problem && html`<${Icon} name="degraded" /> <span>${problem}</span>`}</p>
  </form>`;
}

// ---- one strategy ----------------------------------------------------------------------------------------

function One({ row, data, refresh }) {
  const [draft, change] = useState(row.strategy);
  const [from, setFrom] = useState(row.strategy);
  const [plan, setPlan] = useState(null);
  const [problem, setProblem] = useState(null);
  const [busy, setBusy] = useState(false);
  const button = useRef(null);
  const said = JSON.stringify;
  const edited = said(draft) !== said(from);
  useEffect(() => { // somebody else's change is shown, unless one of ours is under way
    if (edited || said({ ...row.strategy, status: "" }) === said({ ...from, status: "" })) return;
    setFrom(row.strategy);
    change(row.strategy);
  }, [row.strategy]);
  const runs = row.status === "optimizing";
  const locked = !live.signedIn.value || runs;
  const edit = (next) => { setPlan(null); setProblem(null); change(next); };
  const look = async () => {
    setBusy(true);
    setProblem(null);
    try {
      if (edited) {
        const kept = await live.ask(place(row.id), { method: "PUT", body: draft });
        setFrom(kept.strategy);
        change(kept.strategy);
      }
      setPlan(await live.ask(`${place(row.id)}/optimize`, { method: "POST", body: { dry_run: true } }));
      refresh();
    } catch (refused) {
      setProblem(refusal(refused));
    }
    setBusy(false);
  };
  const back = () => { setPlan(null); requestAnimationFrame(() => button.current?.focus()); };
  return html`<${Words} row=${row} />
    <div class="strategy-draft"><${Switches} draft=${draft} change=${edit} locked=${locked} /><${Tiers} draft=${draft} change=${edit} knobs=${data.knobs} locked=${locked} /></div>
    ${live.signedIn.value && !plan && !runs && html`<div class="row"><button type="button" ref=${button} class="button primary" disabled=${busy} onClick=${look}>${edited ? "Keep, and see what would change" : "See what would change"}</button>
      ${edited && html`<button type="button" class="button" onClick=${() => edit(from)}>Discard the edits</button>`}</div>`}
    <p class="problem" role="alert">${problem && html`<${Icon} name="degraded" /> <span>${problem}</span>`}</p>
    ${plan && !runs && html`<${Plan} id=${row.id} answer=${plan} stats=${data.stats} back=${back} begun=${() => { setPlan(null); refresh(); }} />`}
    ${runs && html`<p class="running" role="status"><${Icon} name="retry" /> <span>Being carried out: knobs are turned one after another, judged, and taken back where hits fell. Each turn stands under recent changes.</span></p>`}
    ${row.optimized && !runs && !plan && html`<${Outcome} id=${row.id} done=${row.optimized} />`}`;
}

export function Strategy({ data }) {
  const [{ rows, problem }, refresh] = useStrategies();
  const [chosen, setChosen] = useState(null);
  const [making, setMaking] = useState(false);
  const maker = useRef(null);
  if (problem?.status === 404) return null; // a server that keeps no strategies
  const latest = rows && [...rows].sort((a, b) => (b.optimized?.at ?? 0) - (a.optimized?.at ?? 0))[0];
  const row = rows?.find(({ id }) => id === chosen) ?? rows?.find(({ status }) => status === "optimizing") ?? latest;
  const stop = () => { setMaking(false); requestAnimationFrame(() => maker.current?.focus()); };
  const made = ({ id }) => { setChosen(id); stop(); refresh(); };
  const forget = async () => {
    try {
      await live.ask(place(row.id), { method: "DELETE" });
      const again = () => live.ask(place(row.id), { method: "PUT", body: row.strategy }).then(() => { setChosen(row.id); refresh(); }, (refused) => tell(`Not kept: ${refusal(refused)}`, { kind: "problem" }));
      tell(`Strategy ${row.id} is forgotten; what it has turned stays`, { action: { label: "Keep it", run: again } });
    } catch (refused) {
      tell(`Not forgotten: ${refusal(refused)}`, { kind: "problem" });
    }
    refresh();
  };
  const tools = rows && html`${rows.length > 1 && html`<select aria-label="Which strategy" onChange=${(event) => setChosen(event.target.value)}>${rows.map(({ id }) => html`<option value=${id} selected=${id === row.id}>${id}</option>`)}</select>`}
    ${live.signedIn.value && row && row.status !== "optimizing" && html`<button type="button" class="button small" onClick=${forget}>Forget</button>`}
    ${live.signedIn.value && !making && html`<button type="button" ref=${maker} class="button small" onClick=${() => setMaking(true)}>Generate from what was seen</button>`}`;
  return html`<${Panel} title="Strategy" class="strategy" tools=${tools} note=${rows?.length > 1 ? count(rows.length) : undefined} help="How the cache is to be set up: sizes, policy, times to live, what is loaded ahead. A strategy is kept beside the cache and changes nothing until it is carried out; then each knob is turned by itself, judged, and taken back if hits fall.">
    ${!rows ? (problem ? html`<div class="state"><p><${Icon} name="degraded" /> Not loaded: ${problem.message}</p></div>` : html`<div class="skeleton" role="status"><span class="hidden">Loading</span></div>`)
      : data && html`${making && html`<${Generate} rows=${rows} data=${data} done=${made} cancel=${stop} />`}
        ${row ? html`<${One} key=${row.id} row=${row} data=${data} refresh=${refresh} />` : !making && html`<div class="state"><p>No strategy is kept.</p><p class="muted">One can be made from what this cache has seen: how large its tiers are best, which policy hits most, what is worth loading ahead. ${live.signedIn.value ? "Nothing changes before you carry it out." : "It needs the token: sign in at the knobs."}</p></div>`}`}
  <//>`;
}
