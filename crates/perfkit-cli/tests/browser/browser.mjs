// A real browser, and pages of the dashboard in it.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { PATIENCE, until } from "./program.mjs";

export const THEMES = ["light", "dark"];
export const WIDTHS = [1440, 390, 320];
const axe = readFileSync(new URL("node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

/** Starts the browser of this machine. */
export function startBrowser() {
  const executablePath = [process.env.PERFKIT_CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) => path && existsSync(path));
  assert.ok(executablePath, "no Chromium found: install one or name it in PERFKIT_CHROMIUM");
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** A fresh browser profile on one view. Whatever the browser complains about is kept, to be nothing in the end. */
export async function openPage(t, browser, program, { path = "/", theme = "light", width = 1280, height = 900, token, expect = [], prepare } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: theme, reducedMotion: "reduce" });
  context.setDefaultTimeout(PATIENCE);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type()) && !expect.some((pattern) => pattern.test(message.text()))) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI}`));
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(complaints, [], "the browser complained");
  });
  await prepare?.(page);
  await page.goto(program.admin + path + (token ? `#token=${token}` : ""));
  await page.getByText("Healthy", { exact: true }).first().waitFor();
  if (token) await until("a session", () => page.evaluate(() => localStorage.getItem("perfkit.session") === "yes"));
  return page;
}

/** For `prepare`: the Caching page is told something else than the program says. */
export const told = (change) => async (page) => {
  const otherwise = (text) => {
    const message = JSON.parse(text);
    if (message.tiers) change(message);
    else if (message.data?.tiers) change(message.data);
    return JSON.stringify(message);
  };
  await page.routeWebSocket(/\/live/, (socket) => {
    const server = socket.connectToServer();
    server.onMessage((message) => socket.send(otherwise(String(message))));
  });
  await page.route(/\/api\/performance\/caching(\?|$)/, async (route) => {
    const answer = await route.fetch();
    await route.fulfill({ response: answer, body: otherwise(await answer.text()) });
  });
};

/** The accessibility checker finds nothing on the page. */
export async function assertAccessible(page) {
  await page.locator("canvas").first().waitFor();
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { preload: false }));
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`), []);
}

/** The page is no wider than it is shown, and has its picture taken once its numbers have moved. */
export async function assertFits(page, width, picture) {
  await page.locator("canvas").first().waitFor();
  const { inner, outer } = await page.evaluate(() => ({ inner: document.documentElement.scrollWidth, outer: innerWidth }));
  assert.ok(inner <= outer, `at ${width} px it scrolls sideways: ${inner} px`);
  // Only what can be seen is drawn: for a picture of all of it, all of it has to be seen.
  await page.setViewportSize({ width, height: await page.evaluate(() => document.documentElement.scrollHeight) });
  const updated = page.locator(".updated time");
  const before = await updated.textContent();
  await until("newer numbers", async () => (await updated.textContent()) !== before);
  await page.screenshot({ path: picture, fullPage: true });
}
