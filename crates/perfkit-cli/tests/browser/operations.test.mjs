// The Operations page over a gateway whose origin is slow: what waits, cancelling, priorities, limits.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { THEMES, WIDTHS, assertAccessible, assertFits, openPage, startBrowser } from "./browser.mjs";
import { startProgram, until } from "./program.mjs";

let origin;
let program;
let browser;
let asking;
/** Answers that the origin holds back until it is told to give them. */
const held = [];

before(async () => {
  origin = createServer((request, response) => held.push(response)).listen(0, "127.0.0.1");
  await new Promise((resolve) => origin.once("listening", resolve));
  program = await startProgram(`http://127.0.0.1:${origin.address().port}`, { more: ["--concurrency", "2", "--timeout", "600s"] });
  // Each for something else, so that none shares the fetch of another.
  asking = Array.from({ length: 12 }, (_, i) => fetch(`${program.listen}/slow/${i}`).then((answer) => answer.status, () => 0));
  await until("a queue", async () => (await manager()).pending === 10);
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  origin?.closeAllConnections();
  await program?.stop();
  await Promise.all(asking ?? []);
  origin?.close();
});

const manager = async () => (await program.get("operations")).managers.find(({ component }) => component === "origin");
const open = (t, options) => openPage(t, browser, program, { path: "/operations", ...options });
const region = (page, name) => page.getByRole("region", { name, exact: true });
const singles = (page) => region(page, "Single operations");

test("what waits and what runs is told in words and in tables", async (t) => {
  const page = await open(t);
  await region(page, "Origin").getByText("All 2 places are taken, 10 operations wait.").waitFor();
  const waiting = region(page, "Waiting by kind and priority").getByRole("row", { name: /^fetch/ });
  await waiting.first().waitFor();
  assert.equal(await waiting.first().getByRole("cell").nth(5).textContent(), "10", "at priority 5");
  assert.equal(await singles(page).locator("tbody tr").count(), 10);
  await singles(page).getByRole("button", { name: "Running" }).click();
  await until("those that run", async () => (await singles(page).locator("tbody tr").count()) === 2);
  assert.equal(await singles(page).getByRole("button", { name: /^Cancel/ }).count(), 0, "that needs the token");
});

test("one is made more urgent, another is cancelled", async (t) => {
  const page = await open(t, { token: program.token });
  const { pending_rows: rows } = await manager();
  const last = rows.at(-1);
  await singles(page).getByLabel(`Priority of fetch ${last.id}`, { exact: true }).selectOption("10");
  await page.getByText(`fetch ${last.id} has priority 10 instead of 5`).waitFor();
  await until("the priority", async () => (await manager()).pending_rows.find(({ id }) => id === last.id)?.priority === 10);
  const victim = rows[0];
  await singles(page).getByRole("button", { name: `Cancel fetch ${victim.id}`, exact: true }).click();
  assert.equal((await manager()).pending, 10, "nothing is cancelled before it is confirmed");
  await singles(page).getByRole("button", { name: "Cancel it" }).click();
  await page.getByText(`fetch ${victim.id} cancelled before it began`).waitFor();
  await until("one less", async () => (await manager()).pending === 9);
  assert.equal(await Promise.race(asking), 502, "who waited for it is told");
  await singles(page).getByRole("button", { name: "Ended" }).click();
  await singles(page).getByRole("row", { name: new RegExp(`fetch ${victim.id}`) }).getByText("cancelled").waitFor();
});

test("a higher limit lets more begin at once", async (t) => {
  const page = await open(t, { token: program.token });
  const before = await manager();
  const knob = page.locator(".knob", { has: page.locator('[data-knob="origin/max_concurrent"]') });
  await knob.getByRole("button", { name: /^Change/ }).click();
  await knob.getByLabel("New value").fill("5");
  await knob.getByRole("button", { name: "Review" }).click();
  await knob.getByRole("button", { name: /^Turn to/ }).click();
  await until("five that run", async () => (await manager()).running === 5);
  assert.equal((await manager()).pending, before.pending - 3);
});

test("the view is accessible, fits every width, and has its picture taken", async (t) => {
  const pictures = process.env.PERFKIT_SCREENSHOTS ?? mkdtempSync(join(tmpdir(), "perfkit-screenshots-"));
  mkdirSync(pictures, { recursive: true });
  for (const theme of THEMES) {
    for (const width of WIDTHS) {
      const page = await open(t, { theme, width, token: program.token });
      if (width === WIDTHS[0]) await assertAccessible(page);
      await assertFits(page, width, join(pictures, `operations-${theme}-${width}.png`));
      await page.close();
    }
  }
  t.diagnostic(`pictures are in ${pictures}`);
});
