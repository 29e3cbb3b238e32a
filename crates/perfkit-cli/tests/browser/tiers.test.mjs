// The flow of a gateway with every tier there can be.
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

const TIER = { entries: null, capacity_bytes: null, breaker: "closed", failed: 0, passed_by: 0, sharing: null, compression_ratio: 2.1 };

/** Five tiers, whose answers are taken from what the memory gave. */
function five(caching) {
  const [memory, origin] = [caching.tiers.at(0), caching.tiers.at(-1)];
  const part = (share, more) => ({ ...memory, ...TIER, share: memory.share * share, requests: Math.round(memory.requests * share), per_second: memory.per_second * share, ...more });
  caching.tiers = [
    { ...memory, share: memory.share * 0.5, requests: Math.round(memory.requests * 0.5), per_second: memory.per_second * 0.5 },
    part(0.25, { id: "disk", title: "Disk", p50_ms: 0.31, p95_ms: 1.2, bytes: 41_000_000, capacity_bytes: 2 ** 32 }),
    part(0.15, { id: "remote", title: "Remote", p50_ms: 0.62, p95_ms: 2.4, bytes: null, lag_seconds: 0.12, sharing: { pending: 0, changes: 12, doubts: 0 } }),
    part(0.1, { id: "cdn", title: "CDN", p50_ms: 8.1, p95_ms: 22.4, bytes: null }),
    origin,
  ];
}
const tier = (caching, id) => caching.tiers.find((tier) => tier.id === id);
const flowOf = (page) => page.getByRole("region", { name: "Who answers" });
const cells = (page, name) => flowOf(page).getByRole("row", { name: new RegExp(`^${name}`) }).getByRole("cell");

test("every tier is drawn in its place, with its breaker and how far it is behind", async (t) => {
  const page = await openPage(t, browser, program, { path: "/caching", prepare: told(five) });
  const titles = flowOf(page).locator("svg .tier .strong", { hasText: "answers" });
  await titles.nth(4).waitFor();
  assert.deepEqual((await titles.allTextContents()).map((title) => title.split(" ")[0]), ["Memory", "Disk", "Remote", "CDN", "Origin"]);
  const highs = await flowOf(page).locator("svg .tier").evaluateAll((lanes) => lanes.map((lane) => lane.querySelector(".out").getBBox().height));
  assert.ok(highs[0] > highs[1] && highs[1] > highs[2] && highs[2] > highs[3], `the more traffic, the wider: ${highs}`);
  assert.match(await cells(page, "Remote").nth(3).textContent(), /in step with others, 120\u00a0ms behind, breaker closed$/);
  assert.match(await cells(page, "CDN").nth(2).textContent(), /^p50 8\.10\u00a0ms, p95 22\.4\u00a0ms$/);
  assert.equal(await flowOf(page).locator("svg path.badge.closed").count(), 3);
  assert.equal(await flowOf(page).locator(".unwell").count(), 0, "nothing is wrong");
});

test("what it means that tiers are passed by or behind is said in words", async (t) => {
  const unwell = (caching) => {
    five(caching);
    Object.assign(tier(caching, "remote"), { breaker: "open", failed: 3, passed_by: 120, lag_seconds: 12.5, sharing: { pending: 2, changes: 0, doubts: 0 } });
    tier(caching, "cdn").breaker = "half open";
  };
  const page = await openPage(t, browser, program, { path: "/caching", prepare: told(unwell) });
  const said = flowOf(page).getByRole("status");
  const remote = said.filter({ hasText: "Remote failed or took too long and is passed by" });
  await remote.getByText(/What other gateways have fetched is fetched here again/).waitFor();
  assert.match(await remote.textContent(), /3 calls failed in the last 5.min, 120 went by it\./);
  assert.match(await remote.textContent(), /Nothing was heard of changes by other gateways for 12\.5.s\./);
  assert.match(await remote.textContent(), /2 invalidations of this gateway are not announced yet/);
  await said.filter({ hasText: "CDN failed and is being tried again." }).waitFor();
  await flowOf(page).locator(".tier-remote .passed-by").waitFor();
  await flowOf(page).locator("svg tspan.badge.half", { hasText: "breaker half open" }).waitFor();
  assert.match(await cells(page, "Remote").nth(3).textContent(), /not heard of others for 12\.5.s, breaker open/);
  await assertAccessible(page);
  if (process.env.PERFKIT_SCREENSHOTS) await flowOf(page).screenshot({ path: join(process.env.PERFKIT_SCREENSHOTS, "tiers-unwell.png") });
});

test("five tiers are accessible, fit every width, and have their picture taken", async (t) => {
  const pictures = process.env.PERFKIT_SCREENSHOTS ?? mkdtempSync(join(tmpdir(), "perfkit-screenshots-"));
  mkdirSync(pictures, { recursive: true });
  for (const theme of THEMES) {
    for (const width of WIDTHS) {
      const page = await openPage(t, browser, program, { path: "/caching", theme, width, token: program.token, prepare: told(five) });
      if (width === WIDTHS[0]) await assertAccessible(page);
      const drawn = flowOf(page).locator(width > 1000 ? "svg.flow" : ".flow-list");
      await drawn.waitFor();
      const inside = await drawn.evaluate((box) => [...box.querySelectorAll("text, p")].every((words) => words.getBoundingClientRect().right <= box.getBoundingClientRect().right + 1));
      assert.ok(inside, `at ${width} px words of the flow run out of it`);
      await assertFits(page, width, join(pictures, `tiers-${theme}-${width}.png`));
      await page.close();
    }
  }
  t.diagnostic(`pictures are in ${pictures}`);
});
