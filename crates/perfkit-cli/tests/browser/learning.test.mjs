// What caches have learnt, and those who purge the edge, on the Caching page.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { THEMES, assertAccessible, assertFits, openPage, startBrowser, told } from "./browser.mjs";
import { makeSite, startLoad, startProgram } from "./program.mjs";

const WIDTHS = [1440, 1280, 390, 320];

let site;
let program;
let load;
let browser;

before(async () => {
  site = makeSite();
  program = await startProgram(site.folder);
  load = startLoad(program.listen);
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await load?.stop();
  await program?.stop();
  site?.remove();
});

const AHEAD = {
  component: "pages", enabled: true, precision: 0.72, least_precision: 0.5, named: 5_120, used: 3_402, unused: 1_310, late: 96,
  failed: 0, skipped: 12, held: 1_400_000, held_most: 3_355_443, unit: "bytes",
};
const UP_TO = [1, 5, 15, 60, 300, 900, 3_600, 14_400, 43_200, 86_400, null];
const COUNTS = [0, 12, 80, 210, 640, 402, 120, 31, 0, 0, 0];
const LIVES = {
  component: "pages", given: 1_495, p10_seconds: 12.4, p50_seconds: 212, p90_seconds: 1_420, stale_share: 0.041, stale_share_stated: 0.05,
  steps: UP_TO.map((up_to_seconds, i) => ({ up_to_seconds, count: COUNTS[i] })), reloads: 1_200, changed: 133, forgotten: 0,
};
const PURGER = {
  component: "edge", service: "cloudfront", waiting: 3, lag_seconds: 1.4, failing: false, last_error: null, queued: 40, sent: 37, calls: 4, retries: 0,
  widened: 0, collapsed: 0, refused: 0, rejected: 0, lost: 0, delay_p50_ms: 310, delay_p95_ms: 1_240,
};
const learnt = (caching) => {
  caching.learning = { ahead: [AHEAD], lives: [LIVES] };
  caching.purgers = [PURGER];
};
const panel = (page) => page.getByRole("region", { name: "What the cache has learnt" });

test("where nothing learns it is said how it would", async (t) => {
  const page = await openPage(t, browser, program, { path: "/caching" });
  await panel(page).getByText("Loading ahead is not in use").waitFor();
  await panel(page).getByText("Lives are not learnt").waitFor();
  assert.equal(await panel(page).locator("article").count(), 0);
  assert.equal(await page.getByText("At the edge").count(), 0, "nobody purges");
  assert.deepEqual((await program.get("caching")).learning, { ahead: [], lives: [] });
});

test("precision is shown with its guard and its bound, lives with the stale share", async (t) => {
  const page = await openPage(t, browser, program, { path: "/caching", prepare: told(learnt) });
  await panel(page).getByText(/^72\.0.% of what is loaded ahead is used\.$/).waitFor();
  await panel(page).getByRole("img", { name: /^Precision 72\.0.%, at least 50\.0.% is asked for$/ }).waitFor();
  await panel(page).getByText(/of at most 3\.20.MiB/).waitFor();
  await panel(page).getByText(/^4\.1.% of the answers are stale by what was seen, of 5\.0.% that may be\.$/).waitFor();
  const bars = panel(page).getByRole("table", { name: "How long values live" }).getByRole("row");
  assert.match(await bars.filter({ hasText: /to 5.min/ }).textContent(), /42\.8.%/);
  assert.equal(await panel(page).getByText("is not in use").count(), 0);
});

test("a guard that holds back and a share that is not kept are said", async (t) => {
  const worse = (caching) => {
    caching.learning = { ahead: [{ ...AHEAD, precision: 0.31 }], lives: [{ ...LIVES, stale_share: 0.09 }] };
  };
  const page = await openPage(t, browser, program, { path: "/caching", prepare: told(worse) });
  await panel(page).getByText(/less than the 50\.0.% asked for: it holds back but for a few trials/).waitFor();
  await panel(page).locator(".gauge .low").waitFor();
  await panel(page).getByText(/more than the 5\.0.% that may be/).waitFor();
});

test("what waits for the edge stands beside invalidation, and what was lost says what to do", async (t) => {
  const lost = (caching) => { caching.purgers = [PURGER, { ...PURGER, service: "fastly", failing: true, last_error: "it answers 429", lost: 2, retries: 7 }]; };
  const page = await openPage(t, browser, program, { path: "/caching", token: program.token, prepare: told(lost) });
  const edge = page.getByRole("region", { name: "Invalidate", exact: true }).locator(".purgers li");
  await edge.filter({ hasText: "cloudfront" }).getByText("3 items wait, the oldest for 1.40").waitFor();
  const fastly = edge.filter({ hasText: "fastly" });
  await fastly.getByText(/The last call failed: it answers 429\./).waitFor();
  await fastly.getByText(/2 items were given up: fastly may keep what they would have ended/).waitFor();
  await fastly.getByRole("img", { name: "in trouble" }).waitFor();
  await assertAccessible(page);
});

test("what was learnt is accessible, fits every width, and has its picture taken", async (t) => {
  const pictures = process.env.PERFKIT_SCREENSHOTS ?? mkdtempSync(join(tmpdir(), "perfkit-screenshots-"));
  mkdirSync(pictures, { recursive: true });
  for (const theme of THEMES) {
    for (const width of WIDTHS) {
      const page = await openPage(t, browser, program, { path: "/caching", theme, width, token: program.token, prepare: told(learnt) });
      if (width === WIDTHS[0]) await assertAccessible(page);
      await assertFits(page, width, join(pictures, `learnt-${theme}-${width}.png`));
      await panel(page).screenshot({ path: join(pictures, `learnt-${theme}-${width}-panel.png`) });
      await page.close();
    }
  }
  t.diagnostic(`pictures are in ${pictures}`);
});
