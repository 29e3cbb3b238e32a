// The real program in front of a small site, and the load that is put on it.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

/** Generous: what is waited for comes in a second or two, and a loaded machine may take its time. */
export const PATIENCE = 60_000;

/** Asks until the answer is not nothing. */
export async function until(what, ask, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A site of a few dozen files that look like a shop's. */
export function makeSite() {
  const folder = mkdtempSync(join(tmpdir(), "perfkit-site-"));
  mkdirSync(join(folder, "products"));
  const words = "kettle lamp chair table shelf rug clock vase bowl spoon".split(" ");
  const page = (title, n) => `<!doctype html><title>${title}</title><h1>${title}</h1>${`<p>${words.join(" and a ")}</p>\n`.repeat(n)}`;
  writeFileSync(join(folder, "index.html"), page("Shop", 20));
  writeFileSync(join(folder, "style.css"), "p { margin: 1rem }\n".repeat(300));
  for (let i = 0; i < 40; i += 1) writeFileSync(join(folder, "products", `${i}.html`), page(`${words[i % 10]} ${i}`, 10 + i * 4));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Starts `perfkit serve` and reads where it listens. */
export async function startProgram(origin, { listen = "127.0.0.1:0", admin = "127.0.0.1:0", more = [] } = {}) {
  const program = process.env.PERFKIT_BIN;
  if (!program || !existsSync(program)) throw new Error("set PERFKIT_BIN to the perfkit program to test");
  const child = spawn(program, ["serve", "--origin", origin, "--listen", listen, "--admin", admin, "--json", ...more], { stdio: ["ignore", "pipe", "pipe"] });
  let complaints = "";
  child.stderr.on("data", (text) => { complaints = (complaints + text).slice(-4_000); });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const lines = createInterface({ input: child.stdout });
  const first = await Promise.race([
    new Promise((resolve) => lines.once("line", resolve)),
    ended.then((code) => { throw new Error(`perfkit ended with ${code} before it listened: ${complaints}`); }),
  ]);
  const said = JSON.parse(first);
  const api = `${said.admin}/api/performance`;
  return {
    ...said,
    token: new URLSearchParams(new URL(said.dashboard).hash.slice(1)).get("token"),
    get: async (path) => (await fetch(`${api}/${path}`)).json(),
    put: (path, body, token) => fetch(`${api}/${path}`, { method: "PUT", body: JSON.stringify(body), headers: { "content-type": "application/json", authorization: `Bearer ${token}` } }),
    stop: async () => { child.kill("SIGTERM"); await ended; },
  };
}

/** Asks for pages until told to stop: mostly the popular ones, some for the first time, a few that are not there. */
export function startLoad(base) {
  let going = true;
  let asked = 0;
  const one = async () => {
    while (going) {
      asked += 1;
      const product = Math.floor(40 * Math.random() ** 3);
      const path = asked % 12 === 0 ? `/products/${product}.html?visit=${asked}` : asked % 90 === 0 ? "/missing.html" : asked % 7 === 0 ? "/" : `/products/${product}.html`;
      await fetch(base + path, { headers: { "accept-encoding": ["br", "gzip", "zstd"][asked % 3] } }).then((answer) => answer.arrayBuffer(), () => {});
      await new Promise((resolve) => setTimeout(resolve, 20 * Math.random()));
    }
  };
  const all = Promise.all([one(), one(), one(), one()]);
  return { stop: async () => { going = false; await all; } };
}
