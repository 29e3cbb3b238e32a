// Strategies on the Caching page: generated, edited, seen before and after, carried out, put back.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { THEMES, assertAccessible, assertFits, openPage, startBrowser } from "./browser.mjs";
import { makeSite, startLoad, startProgram, until } from "./program.mjs";

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

const open = (t, options) => openPage(t, browser, program, { path: "/caching", token: program.token, ...options });
const panel = (page) => page.getByRole("region", { name: "Strategy", exact: true });
const kept = async () => (await program.get("cache-strategies")).strategies;
const row = async (id) => (await kept()).find((row) => row.id === id);
const knob = async (id) => (await program.get("knobs")).knobs.find((knob) => knob.id === id);
const capacity = () => knob("memory/capacity");

/** Has one generated; what the cache has seen may be too little at first. */
async function generate(page, most) {
  const before = (await kept()).length;
  const box = panel(page);
  await box.getByRole("button", { name: "Generate from what was seen" }).click();
  if (most) await box.getByLabel(/^Memory at most/).fill(most);
  await until("a strategy", async () => {
    const make = box.getByRole("button", { name: "Generate", exact: true });
    if (await make.isEnabled().catch(() => false)) await make.click().catch(() => {});
    return (await kept()).length > before;
  });
}

test("without a session strategies can be seen, and it is said what one is", async (t) => {
  const page = await open(t, { token: undefined });
  await panel(page).getByText("No strategy is kept.").waitFor();
  await panel(page).getByText(/It needs the token/).waitFor();
  assert.equal(await panel(page).getByRole("button", { name: /^Generate/ }).count(), 0);
});

test("one is generated, edited, seen before and after, carried out, and put back", async (t) => {
  const page = await open(t, { expect: [/status of 422/] });
  const box = panel(page);
  const start = await capacity();
  await generate(page);
  await box.getByText(/^generated: memory alone/).waitFor();
  assert.equal((await capacity()).value, start.value, "it changes nothing by itself");

  const size = box.getByLabel("Size", { exact: true });
  await size.fill("a lot");
  await size.press("Tab");
  await box.getByText(/cannot be read. Write a size/).waitFor();
  await size.fill("9000 TiB");
  await size.press("Tab");
  await box.getByText(/is out of bounds: use 16.MiB to 4.GiB/).waitFor();
  await size.fill("64 MiB");
  await size.press("Tab");
  await box.getByLabel("Policy", { exact: true }).selectOption("lru");
  await box.getByRole("switch", { name: /^Times to live/ }).uncheck();
  await box.getByRole("button", { name: "Keep, and see what would change" }).click();

  const plan = box.getByRole("region", { name: "What would change" });
  await plan.getByRole("row", { name: /Size of memory/ }).getByText("64\u00a0MiB", { exact: true }).waitFor();
  assert.match(await plan.getByRole("row", { name: /Size of memory/ }).textContent(), /256.MiB.*64.MiB/);
  assert.match(await plan.getByRole("row", { name: /^ ?Policy/ }).textContent(), /adaptive.*lru/);
  assert.equal((await row("generated")).strategy.dynamic_ttl, false);
  assert.equal((await capacity()).value, start.value, "nothing is turned before it is confirmed");

  await plan.getByRole("checkbox", { name: "Policy" }).uncheck();
  await plan.getByLabel("Judge").selectOption({ label: "at once, without judging" });
  await plan.getByRole("button", { name: "Carry out 1 change" }).click();
  await until("the turn", async () => (await capacity()).value === 64 * 2 ** 20);
  assert.equal((await knob("memory/policy")).value, "adaptive", "what was left out stays");
  const outcome = box.getByRole("region", { name: "What came of it" });
  await outcome.getByText("Size of memory").waitFor();
  await outcome.getByRole("img", { name: "stays" }).waitFor();
  await page.getByRole("region", { name: "Recent changes" }).getByText(/by strategy generated/).waitFor();
  await outcome.getByRole("button", { name: "Put it back" }).click();
  await until("what was before", async () => (await capacity()).value === start.value);
  await page.getByText("Memory capacity is as before").waitFor();
});

test("each change is judged, and it is said what came of it", async (t) => {
  const page = await open(t, { expect: [/status of 422/] });
  const box = panel(page);
  await generate(page, "32 MiB");
  const name = (await kept()).map(({ id }) => id).sort().at(-1);
  await box.getByText(new RegExp(`^${name}: `)).waitFor();
  await box.getByRole("button", { name: /ee what would change$/ }).click();
  const plan = box.getByRole("region", { name: "What would change" });
  await plan.getByText(/Hits now: [\d.]+/).waitFor();
  await plan.getByLabel("Judge").selectOption({ label: "10 s each" });
  const turn = plan.getByRole("button", { name: /^Carry out/ });
  await turn.click();
  await box.getByText(/^Being carried out/).waitFor();
  const outcome = box.getByRole("region", { name: "What came of it" });
  await outcome.getByText(/% hits after|too few to tell/).first().waitFor();
  assert.match(await outcome.locator(".fact").first().textContent(), /[\d.]+.%.*→.*[\d.]+.%/);
});

test("the API's remedy is shown where it refuses", async (t) => {
  const page = await open(t, { expect: [/status of 4\d\d/] });
  const box = panel(page);
  if ((await kept()).length === 0) await generate(page);
  const id = (await kept())[0].id;
  if ((await kept()).length > 1) await box.getByLabel("Which strategy").selectOption(id);
  const share = box.getByLabel("Cold share");
  await share.fill("7");
  await share.press("Tab");
  await box.getByRole("button", { name: "Keep, and see what would change" }).click();
  await box.getByRole("alert").getByText(/“tiers.cold_share” cannot be 7: use a share between 0 and 1/).waitFor();
  await box.getByRole("button", { name: "Discard the edits" }).click();
  assert.equal(await share.inputValue(), "");
});

test("one is forgotten, and kept again", async (t) => {
  const page = await open(t, { expect: [/status of 422/] });
  const box = panel(page);
  await generate(page);
  const before = await kept();
  await box.getByRole("button", { name: "Forget" }).click();
  await until("one less", async () => (await kept()).length === before.length - 1);
  await page.getByRole("button", { name: "Keep it" }).click();
  await until("as many", async () => (await kept()).length === before.length);
});

test("the strategy is accessible, fits every width, and has its picture taken", async (t) => {
  const pictures = process.env.PERFKIT_SCREENSHOTS ?? mkdtempSync(join(tmpdir(), "perfkit-screenshots-"));
  mkdirSync(pictures, { recursive: true });
  if ((await kept()).length === 0) await generate(await open(t, { expect: [/status of 422/] }));
  for (const theme of THEMES) {
    for (const width of WIDTHS) {
      const page = await open(t, { theme, width });
      const box = panel(page);
      const chosen = box.getByLabel("Which strategy");
      await box.getByRole("button", { name: "See what would change" }).waitFor();
      if (await chosen.count()) await chosen.selectOption("generated");
      await box.screenshot({ path: join(pictures, `strategy-${theme}-${width}-panel.png`) });
      await box.getByRole("button", { name: "See what would change" }).click();
      await box.getByRole("region", { name: "What would change" }).waitFor();
      if (width === WIDTHS[0]) await assertAccessible(page);
      await assertFits(page, width, join(pictures, `strategy-${theme}-${width}.png`));
      await box.screenshot({ path: join(pictures, `strategy-${theme}-${width}-plan.png`) });
      await page.close();
    }
  }
  t.diagnostic(`pictures are in ${pictures}`);
});
