// Gateways that share a Redis, on the Caching page of one of them.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openPage, startBrowser } from "./browser.mjs";
import { makeSite, startProgram, until } from "./program.mjs";

const skip = spawnSync("redis-server", ["--version"]).error ? "there is no redis-server" : false;

let site;
let folder;
let redis;
let program;
let browser;

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});
const listens = (port) => new Promise((resolve) => {
  const socket = connect(port, "127.0.0.1", () => { socket.destroy(); resolve(true); });
  socket.on("error", () => resolve(false));
});
const ask = async (program, path) => {
  const answer = await fetch(program.listen + path);
  await answer.arrayBuffer();
  return answer.headers.get("cache-status");
};

before(async () => {
  if (skip) return;
  site = makeSite();
  folder = mkdtempSync(join(tmpdir(), "perfkit-redis-"));
  const port = await freePort();
  redis = spawn("redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder], { stdio: "ignore" });
  await until("the server", () => listens(port));
  const more = ["--cache-redis", `redis://127.0.0.1:${port}`];
  const first = await startProgram(site.folder, { more });
  for (let i = 0; i < 20; i += 1) assert.match(await ask(first, `/products/${i}.html`), /fwd=miss; stored/);
  await first.stop();
  // The key of an answer has the host in it: the next one is asked under the same, and finds what the first one has fetched.
  program = await startProgram(site.folder, { listen: new URL(first.listen).host, more });
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await program?.stop();
  redis?.kill("SIGKILL");
  site?.remove();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

test("what others have fetched is shown as the remote tier's, and its loss in words", { skip }, async (t) => {
  for (let i = 0; i < 10; i += 1) assert.match(await ask(program, `/products/${i}.html`), /hit; .*detail=remote/);
  const page = await openPage(t, browser, program, { path: "/caching" });
  const flow = page.getByRole("region", { name: "Who answers" });
  const cell = (n) => flow.getByRole("row", { name: /^Remote/ }).getByRole("cell").nth(n);
  await until("ten answers", async () => (await cell(1).textContent()) === "10");
  await until("the lag", async () => /in step with others, .+ behind, breaker closed$/.test(await cell(3).textContent()));
  await flow.locator("svg .tier-remote path.badge.closed").waitFor();

  const gone = new Promise((resolve) => redis.once("exit", resolve));
  redis.kill("SIGKILL");
  await gone;
  await until("a breaker that opens", async () => {
    await ask(program, `/products/3.html?new=${Math.random()}`);
    return flow.getByText("Remote failed or took too long and is passed by").isVisible();
  });
  await flow.getByText(/What other gateways have fetched is fetched here again/).waitFor();
  await flow.getByText(/Nothing was heard of changes by other gateways for/).waitFor();
});
