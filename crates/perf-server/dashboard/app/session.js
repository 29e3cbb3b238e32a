// Signing in: only asked for where there is no session yet.
import { html, useId, useRef, useState } from "perfkit/ui";
import * as live from "perfkit/live";
import { Icon, tell } from "perfkit/parts";

/** Asks for the token; what it is for is said by `children`. */
export function SignIn({ children }) {
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const field = useRef(null);
  const id = useId();
  const submit = async (event) => {
    event.preventDefault();
    const token = field.current.value.trim();
    if (!token) { setProblem("Paste the token first."); field.current.focus(); return; }
    setBusy(true);
    try {
      await live.signIn(token);
      tell("Signed in: knobs can be turned now");
    } catch (refused) {
      setProblem(refused.status === 401 ? "This is not the token. Copy it from the line that perfkit printed when it started." : refused.message);
      field.current?.focus();
    }
    setBusy(false);
  };
  return html`<form class="sign-in" onSubmit=${submit} noValidate>
    <p><${Icon} name="lock" /> <span>${children} perfkit printed an address with a token when it started: open that, or paste the token here.</span></p>
    <div class="row">
      <label class="hidden" for=${id}>Token</label>
      <input id=${id} ref=${field} type="password" autocomplete="off" spellcheck=${false} placeholder="Token" aria-invalid=${problem ? "true" : undefined} aria-describedby=${`${id}-p`} />
      <button type="submit" class="button" disabled=${busy}>Sign in</button>
    </div>
    <p class="problem" id=${`${id}-p`} role="alert">${problem}</p>
  </form>`;
}
