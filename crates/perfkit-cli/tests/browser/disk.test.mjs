// The dashboard of a gateway with a disk behind its memory, after a restart.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { THEMES, WIDTHS, assertAccessible, assertFits, openPage, startBrowser, told } from "./browser.mjs";
import { makeSite, startProgram, until } from "./program.mjs";

const PAGES = Array.from({ length: 30 }, (_, i) => `/products/${i}.html`);

let site;
let folder;
let program;
let browser;

const ask = async (path) => {
  const answer = await fetch(program.listen + path);
  await answer.arrayBuffer();
  return answer.headers.get("cache-status");
};

before(async () => {
  site = makeSite();
  folder = mkdtempSync(join(tmpdir(), "perfkit-cache-disk-"));
  const more = ["--cache-disk", folder, "--cache-disk-size", "64MiB"];
  program = await startProgram(site.folder, { more });
  for (const path of PAGES) assert.match(await ask(path), /fwd=miss; stored/);
  await program.stop();
  // Under the name that the answers have.
  const { host } = new URL(program.listen);
  program = await startProgram(site.folder, { listen: host, more });
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await program?.stop();
  site?.remove();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

test("what the disk answers after a restart is shown as its own", async (t) => {
  for (const path of PAGES.slice(0, 20)) assert.match(await ask(path), /hit; .*detail=disk/);
  for (const path of PAGES.slice(0, 10)) assert.doesNotMatch(await ask(path), /disk/);
  // Only what is written tells how far it was compressed.
  for (const path of PAGES) assert.match(await ask(`${path}?new`), /fwd=miss; stored/);
  const page = await openPage(t, browser, program, { path: "/caching" });
  const flow = page.getByRole("region", { name: "Who answers" });
  const row = (name) => flow.getByRole("row", { name: new RegExp(`^${name}`) });
  await until("20 answers of the disk", async () => (await row("Disk").getByRole("cell").nth(1).textContent()) === "20");
  assert.equal(await row("Memory").getByRole("cell").nth(1).textContent(), "10");
  assert.match(await row("Disk").getByRole("cell").nth(0).textContent(), /^3\d\.\d\u00a0%$/);
  assert.match(await row("Disk").getByRole("cell").nth(2).textContent(), /^p50 .+, p95 .+/);
  await until("the ratio", async () => / of 64\u00a0MiB, compression ratio [\d.]+, breaker closed$/.test(await row("Disk").getByRole("cell").nth(3).textContent()));
  const caching = await program.get("caching");
  const disk = caching.tiers.find((tier) => tier.id === "disk");
  assert.ok(disk.compression_ratio > 1.5, `text shrinks: ${disk.compression_ratio}`);
  assert.equal(disk.breaker, "closed");
  await flow.locator("svg text", { hasText: "Disk answers" }).waitFor();
  await page.getByRole("region", { name: "What the cache did" }).getByText("On disk").waitFor();
});

test("what is on disk only can be invalidated, and that it is not counted is said", async (t) => {
  const page = await openPage(t, browser, program, { path: "/caching", token: program.token });
  const form = page.getByRole("region", { name: "Invalidate", exact: true });
  await form.getByRole("button", { name: "Key" }).click();
  const path = PAGES.at(-1);
  await form.getByLabel(/^Key/).fill(new URL(program.listen).host + path);
  await form.getByRole("button", { name: "Count" }).click();
  await form.getByText(/^Nothing in memory has it now\. What is only beyond memory is not counted/).waitFor();
  await form.getByRole("button", { name: "Invalidate anyway" }).click();
  await page.getByText("0 entries of memory invalidated").waitFor();
  assert.match(await ask(path), /fwd=miss/);
  assert.match(await ask(PAGES.at(-2)), /detail=disk/);
});

const broken = (caching) => { caching.tiers.find((tier) => tier.id === "disk").breaker = "open"; };
const PASSED_BY = "Disk failed or took too long and is passed by; it is tried again every few seconds.";

test("a disk that is passed by is said so, in words and shape", async (t) => {
  await ask(PAGES[0]); // the tiers are drawn once there is traffic
  const page = await openPage(t, browser, program, { path: "/caching", token: program.token, prepare: told(broken) });
  const flow = page.getByRole("region", { name: "Who answers" });
  await flow.getByRole("status").getByText(PASSED_BY).waitFor();
  await flow.locator(".tier-disk .passed-by").waitFor();
  await flow.locator("svg tspan.badge.open", { hasText: "breaker open: passed by" }).waitFor();
  if (process.env.PERFKIT_SCREENSHOTS) await flow.screenshot({ path: join(process.env.PERFKIT_SCREENSHOTS, "disk-passed-by.png") });
});

test("a disk that is passed by is said so before there is any traffic", async (t) => {
  const quiet = (caching) => {
    broken(caching);
    caching.requests = 0;
  };
  const page = await openPage(t, browser, program, { path: "/caching", prepare: told(quiet) });
  const flow = page.getByRole("region", { name: "Who answers" });
  await flow.getByText(/^No requests in the last/).waitFor();
  await flow.getByRole("status").getByText(PASSED_BY).waitFor();
});

test("the view of three tiers is accessible, fits every width, and has its picture taken", async (t) => {
  const pictures = process.env.PERFKIT_SCREENSHOTS ?? mkdtempSync(join(tmpdir(), "perfkit-screenshots-"));
  mkdirSync(pictures, { recursive: true });
  for (const theme of THEMES) {
    for (const width of WIDTHS) {
      const page = await openPage(t, browser, program, { path: "/caching", theme, width, token: program.token });
      if (width === WIDTHS[0]) await assertAccessible(page);
      await assertFits(page, width, join(pictures, `disk-${theme}-${width}.png`));
      await page.close();
    }
  }
  t.diagnostic(`pictures are in ${pictures}`);
});
