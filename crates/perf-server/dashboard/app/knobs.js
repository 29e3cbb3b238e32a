// Knobs: what each trades, where it stands, and turning it. And a fact: a number with its name.
import { html, useEffect, useId, useRef, useState } from "perfkit/ui";
import * as live from "perfkit/live";
import { Icon, Panel, knobName, takeBack, tell, valueOf } from "perfkit/parts";
import { SignIn } from "perfkit/session";
import { EXAMPLES, bounds, read, spelled } from "perfkit/typed";

export const Fact = ({ title, value, children }) => html`<div class="fact"><dt>${title}</dt><dd><b>${value}</b>${children && html`<span class="muted">${children}</span>`}</dd></div>`;

/** Where the value stands between its bounds, by magnitude where the bounds are far apart. */
function position({ value, min, max }) {
  if (typeof value !== "number" || min == null || max == null || max <= min) return null;
  const far = max / Math.max(min, 1) > 100;
  const place = (n) => (far ? Math.log1p(Math.max(0, n - min)) : n - min);
  return Math.min(1, Math.max(0, place(value) / place(max)));
}

const Moves = ({ moves }) => (moves?.length ? html`<p class="moves muted">Raising it moves ${moves.map(({ signal, direction }, i) => html`${i > 0 ? ", " : ""}<span class="move"><${Icon} name=${direction} label=${direction} />${signal.replaceAll("_", " ")}</span>`)}</p>` : null);

/** The editor: choose, see what would change, confirm. What the server refuses is said beside the field. */
function Editor({ knob, onDone }) {
  const start = useRef(knob).current; // what the person saw when they began
  const [typed, setTyped] = useState(() => (start.kind === "switch" ? (start.value ? "off" : "on") : spelled(start.value, start.kind)));
  const [review, setReview] = useState(null);
  const [problem, setProblem] = useState(null);
  const [rival, setRival] = useState(null);
  const [busy, setBusy] = useState(false);
  const field = useRef(null);
  const confirm = useRef(null);
  const id = useId();
  useEffect(() => { field.current?.focus(); field.current?.select?.(); }, []);
  useEffect(() => { if (review !== null) confirm.current?.focus(); }, [review, rival]);

  const complain = (message) => {
    setReview(null);
    setProblem(message);
    requestAnimationFrame(() => field.current?.focus());
  };
  const look = (event) => {
    event?.preventDefault();
    setProblem(null);
    const value = read(knob.kind, typed);
    if (value === undefined) return complain(`“${typed}” cannot be read. ${EXAMPLES[knob.kind] ?? ""}`);
    if (knob.min != null && typeof value === "number" && (value < knob.min || value > knob.max)) return complain(`${valueOf(value, knob.kind)} is out of bounds: use ${bounds(knob)}.`);
    if (value === knob.value) return complain(`It is ${valueOf(value, knob.kind)} already.`);
    return setReview(value);
  };
  const turn = async (expect) => {
    setBusy(true);
    try {
      const { event, knob: row } = await live.turn(knob.id, review, expect);
      tell(`${knobName(knob)} is ${row?.display ?? valueOf(review, knob.kind)} now`, { action: event && { label: "Undo", run: () => takeBack(event) } });
      onDone();
    } catch (refused) {
      setBusy(false);
      if (refused.status === 409) {
        const rows = await live.ask("/api/performance/knobs").catch(() => null);
        setRival({ message: refused.message, row: rows?.knobs.find((row) => row.id === knob.id) ?? knob });
      } else complain(refused.status === 401 ? "You are no longer signed in. Sign in above and try again." : refused.message);
    }
  };
  const cancel = (event) => { if (event.key === "Escape") { event.stopPropagation(); onDone(); } };
  if (review !== null) {
    const from = rival?.row ?? start;
    return html`<div class="editor" role="group" aria-label=${`Confirm ${knobName(knob)}`} onKeyDown=${cancel}>
      ${rival && html`<p class="problem" role="alert"><${Icon} name="degraded" /> <span>Somebody else was faster. ${rival.message}</span></p>`}
      <p class="review"><span>${valueOf(from.value, knob.kind)}</span> <span aria-hidden="true">→</span><span class="hidden"> to </span> <b>${valueOf(review, knob.kind)}</b></p>
      <div class="row">
        <button type="button" ref=${confirm} class="button primary" disabled=${busy} onClick=${() => turn(from.value)}>${busy ? "Turning" : rival ? `Turn to ${valueOf(review, knob.kind)} anyway` : `Turn to ${valueOf(review, knob.kind)}`}</button>
        <button type="button" class="button" disabled=${busy} onClick=${() => (rival ? onDone() : setReview(null))}>${rival ? "Leave it" : "Back"}</button>
      </div></div>`;
  }
  const input = { id, "aria-invalid": problem ? "true" : undefined, "aria-describedby": `${id}-hint ${id}-problem`, ref: field, value: typed, onInput: (event) => { setTyped(event.target.value); setProblem(null); } };
  const options = knob.kind === "switch" ? ["on", "off"] : knob.options;
  const quick = typeof start.value === "number" && start.value > 0 ? [["half", start.value / 2], ["double", start.value * 2], ["default", knob.default]].filter(([, v]) => v !== start.value && v >= knob.min && v <= knob.max && (knob.kind !== "count" || Number.isInteger(v))) : [];
  return html`<form class="editor" onSubmit=${look} onKeyDown=${cancel} noValidate>
    <label for=${id}>New value ${bounds(knob) && html`<span class="muted" id=${`${id}-hint`}>${bounds(knob)}</span>`}</label>
    <div class="row">
      ${options ? html`<select ...${input}>${options.map((name) => html`<option value=${name} selected=${name === typed}>${name}</option>`)}</select>`
        : html`<input type="text" inputmode=${knob.kind === "count" ? "numeric" : "text"} autocomplete="off" spellcheck=${false} ...${input} />`}
      <button type="submit" class="button primary">Review</button>
      <button type="button" class="button" onClick=${onDone}>Cancel</button>
    </div>
    ${quick.length > 0 && html`<div class="row quick">${quick.map(([name, value]) => html`<button type="button" class="button small quiet" onClick=${() => { setTyped(spelled(value, knob.kind)); setProblem(null); field.current?.focus(); }}>${name}, ${valueOf(value, knob.kind)}</button>`)}</div>`}
    <p class="problem" id=${`${id}-problem`} role="alert">${problem && html`<${Icon} name="degraded" /> <span>${problem}</span>`}</p>
  </form>`;
}

function KnobRow({ knob }) {
  const [editing, setEditing] = useState(false);
  const button = useRef(null);
  const place = position(knob);
  const done = () => { setEditing(false); requestAnimationFrame(() => button.current?.focus()); };
  return html`<li class="knob ${editing ? "editing" : ""}">
    <div class="knob-head">
      <h3>${knob.title} <span class="muted">${knob.component}${knob.knob.includes(":") ? `, ${knob.knob.slice(knob.knob.indexOf(":") + 1)}` : ""}</span></h3>
      <b class="knob-value" data-knob=${knob.id}>${valueOf(knob.value, knob.kind)}</b>
      ${live.signedIn.value && !editing && html`<button type="button" ref=${button} class="button small" aria-label=${`Change ${knobName(knob)}`} onClick=${() => setEditing(true)}>Change</button>`}
    </div>
    ${place !== null && html`<div class="scale" aria-hidden="true"><i class="built" style=${{ left: `${position({ ...knob, value: knob.default }) * 100}%` }}></i><i class="stands" style=${{ left: `${place * 100}%` }}></i></div>
      <p class="ends muted"><span>${valueOf(knob.min, knob.kind)}</span><span>default ${valueOf(knob.default, knob.kind)}</span><span>${valueOf(knob.max, knob.kind)}</span></p>`}
    ${knob.pending != null && html`<p class="pending"><${Icon} name="info" /> Still moving to ${valueOf(knob.pending, knob.kind)}</p>`}
    <p class="trades">${knob.trades}</p>
    <${Moves} moves=${knob.moves} />
    ${editing && html`<${Editor} knob=${knob} onDone=${done} />`}
  </li>`;
}

export const Knobs = ({ data }) => html`<${Panel} title="Knobs" class="knobs" help="Settings that can be changed while the service works. A turn is confirmed first, marked on the charts, listed under recent changes, and can be undone."
  empty=${data?.knobs.length === 0 && html`<p>Nothing here can be turned.</p>`}>
  ${!live.signedIn.value && html`<${SignIn}>Knobs are read-only here.<//>`}
  ${data && html`<ul>${data.knobs.map((knob) => html`<${KnobRow} key=${knob.id} knob=${knob} />`)}</ul>`}
<//>`;
