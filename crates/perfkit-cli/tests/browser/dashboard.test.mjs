// The dashboard in a real browser, fed by the real program under load.
//
//   npm ci && PERFKIT_BIN=../../../../target/debug/perfkit node --test
//
// PERFKIT_CHROMIUM names another browser; PERFKIT_SCREENSHOTS a folder for pictures of every view, theme and width.
import { after, before, test } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { THEMES, WIDTHS, assertAccessible, assertFits, openPage, startBrowser } from "./browser.mjs";
import { makeSite, startLoad, startProgram, until } from "./program.mjs";
import { assemble, vendorFolder } from "./vendor.mjs";

const MOST_REQUESTS = 8;
const MOST_BYTES = 60_000; // of compressed bodies
const VIEWS = { overview: "/", caching: "/caching" };

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

const open = (t, options) => openPage(t, browser, program, options);
const chart = (page, title) => page.locator(".chart", { has: page.getByRole("heading", { name: title, exact: true }) });
const capacity = async () => (await program.get("knobs")).knobs.find((knob) => knob.id === "memory/capacity");
const background = (page) => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);

/** Opens the editor of the memory tier's capacity, writes a value and asks to review it. */
async function propose(page, value) {
  const knob = page.locator(".knob", { has: page.locator('[data-knob="memory/capacity"]') });
  await knob.getByRole("button", { name: /^Change/ }).click();
  await knob.getByLabel("New value").fill(value);
  await knob.getByRole("button", { name: "Review" }).click();
  return knob;
}

test("the vendored module is what was published", () => {
  const { files, parts } = assemble();
  for (const [name, text] of Object.entries(files)) assert.equal(readFileSync(join(vendorFolder, name), "utf8"), text, `${name} differs: run node vendor.mjs`);
  const readme = readFileSync(join(vendorFolder, "README.md"), "utf8");
  for (const { file, version, sha256 } of parts) assert.ok(readme.includes(`| ${version} | \`${file}\` | \`${sha256}\` |`), `README.md lacks ${file} ${version}`);
});

test("the first page is light and needs nobody else", async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send("Network.enable");
  let bytes = 0;
  let wire = 0;
  session.on("Network.dataReceived", (event) => { bytes += event.encodedDataLength; });
  session.on("Network.loadingFinished", (event) => { wire += event.encodedDataLength; });
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  const answer = await page.goto(program.admin);
  await page.getByText("Healthy", { exact: true }).first().waitFor();
  await page.waitForLoadState("networkidle");
  t.diagnostic(`${asked.length} requests, ${bytes} bytes, ${wire} with heads`);
  assert.ok(asked.every((url) => url.startsWith(program.admin)), `asked elsewhere: ${asked}`);
  assert.ok(asked.length <= MOST_REQUESTS, `${asked.length} requests: ${asked}`);
  assert.ok(bytes > 10_000 && bytes <= MOST_BYTES, `${bytes} bytes`);
  const policy = answer.headers()["content-security-policy"];
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe|\*/);
});

test("numbers and charts move while load runs", async (t) => {
  const page = await open(t);
  const requests = chart(page, "Requests per second");
  await requests.locator("canvas").waitFor();
  const newest = () => requests.locator("tbody tr").first().textContent();
  const pixels = () => requests.locator("canvas").evaluate((canvas) => canvas.toDataURL());
  const [row, picture] = [await newest(), await pixels()];
  await until("a newer row", async () => (await newest()) !== row);
  await until("another picture", async () => (await pixels()) !== picture);
  await until("hits in the table", async () => /[1-9]/.test(await requests.locator("tbody tr td").first().textContent()));
  const card = page.locator(".card", { has: page.getByRole("heading", { name: /^Requests/ }) });
  await until("a rate on the card", async () => Number.parseFloat(await card.locator(".value b").textContent()) > 0);
});

test("a turn is confirmed, takes effect, is marked, and can be undone", async (t) => {
  const page = await open(t, { path: "/caching", token: program.token });
  assert.equal(await page.evaluate(() => location.hash), "", "the token stays out of the address bar");
  const before = await capacity();
  const wanted = before.value === 64 * 2 ** 20 ? 32 : 64;
  const knob = await propose(page, `${wanted} MiB`);
  assert.equal((await capacity()).value, before.value, "nothing is turned before it is confirmed");
  await knob.getByRole("button", { name: /^Turn to/ }).click();
  await until("the turn", async () => (await capacity()).value === wanted * 2 ** 20);
  await page.locator('[data-knob="memory/capacity"]', { hasText: `${wanted}\u00a0MiB` }).waitFor();
  const changes = page.getByRole("region", { name: "Recent changes" });
  await changes.getByText("Memory capacity").first().waitFor();
  await changes.getByRole("button", { name: /^Undo/ }).first().click();
  await until("the undo", async () => (await capacity()).value === before.value);
  await changes.getByText("undone").waitFor();
});

test("a refusal is said beside the field, and a lost race names the value now", async (t) => {
  const page = await open(t, { path: "/caching", token: program.token, expect: [/status of 409/] });
  const knob = await propose(page, "a lot");
  await knob.getByText(/cannot be read/).waitFor();
  await knob.getByLabel("New value").fill("9000 TiB");
  await knob.getByRole("button", { name: "Review" }).click();
  await knob.getByText(/out of bounds/).waitFor();
  await knob.getByRole("button", { name: "Cancel" }).click();

  const before = await capacity();
  await propose(page, "48 MiB");
  const rival = await program.put("knobs/memory/capacity", { value: "24MiB" }, program.token);
  assert.equal(rival.status, 200);
  await knob.getByRole("button", { name: /^Turn to/ }).click();
  await knob.getByText(/Somebody else was faster/).waitFor();
  await knob.locator(".review", { hasText: "24\u00a0MiB" }).waitFor();
  await knob.getByRole("button", { name: "Leave it" }).click();
  assert.equal((await capacity()).value, 24 * 2 ** 20, "the rival's turn stands");
  assert.equal((await program.put("knobs/memory/capacity", { value: before.value }, program.token)).status, 200);
});

test("without a session knobs can be read, and the token opens one", async (t) => {
  const page = await open(t, { path: "/caching", expect: [/status of 401/] });
  await page.locator('[data-knob="memory/capacity"]').waitFor();
  assert.equal(await page.getByRole("button", { name: /^Change/ }).count(), 0);
  const field = page.getByLabel("Token");
  await field.fill("not the token");
  await field.press("Enter");
  await page.getByText(/This is not the token/).waitFor();
  await field.fill(program.token);
  await field.press("Enter");
  await page.getByRole("button", { name: "Change Memory capacity" }).waitFor();
});

test("what more memory would bring is shown, and entries are forgotten once they are counted", async (t) => {
  const page = await open(t, { path: "/caching", token: program.token, expect: [/status of 422/] });
  const curve = page.getByRole("region", { name: "What more memory would bring" });
  await curve.getByRole("img", { name: /^Hit ratio by capacity. (Twice|Half)/ }).waitFor();
  await curve.locator(".curve circle").first().waitFor();
  const entries = page.getByRole("region", { name: "Entries", exact: true });
  await entries.getByRole("button", { name: "Largest" }).click();
  await entries.getByRole("row", { name: /products\/39.html/ }).first().waitFor();
  await entries.getByRole("button", { name: /^Invalidate .*\/products\/39.html$/ }).click();
  const form = page.getByRole("region", { name: "Invalidate", exact: true });
  await until("the key in the form", async () => (await form.getByLabel(/^Key/).inputValue()).endsWith("/products/39.html"));
  await form.getByRole("button", { name: "Pattern" }).click();
  await form.getByLabel(/^Pattern/).fill("*/products/[");
  await form.getByRole("button", { name: "Count" }).click();
  await form.locator(".problem svg").waitFor();
  await form.getByLabel(/^Pattern/).fill("*/products/1*.html*");
  await form.getByRole("button", { name: "Count" }).click();
  await form.getByText(/^That is/).waitFor();
  await form.getByRole("button", { name: /^Invalidate [\d,]+ entr/ }).click();
  await page.getByText(/entr(y|ies) invalidated$/).waitFor();
});

test("themes differ, follow the system, and are remembered", async (t) => {
  const page = await open(t, { theme: "light" });
  const light = await background(page);
  await page.getByRole("button", { name: /^Theme: auto/ }).click();
  await page.getByRole("button", { name: /^Theme: light/ }).click();
  const dark = await background(page);
  assert.notEqual(dark, light);
  await page.reload();
  await page.getByRole("button", { name: /^Theme: dark/ }).waitFor();
  assert.equal(await background(page), dark);
  await page.getByRole("button", { name: /^Theme: dark/ }).click();
  assert.equal(await background(page), light);
  await page.emulateMedia({ colorScheme: "dark" });
  assert.equal(await background(page), dark);
});

test("views and spans are addresses", async (t) => {
  const page = await open(t);
  await page.getByRole("navigation").getByRole("link", { name: "Caching" }).click();
  await page.getByRole("heading", { name: "Who answers" }).waitFor();
  assert.equal(new URL(page.url()).pathname, "/caching");
  await page.getByRole("button", { name: /the last 1 hour/ }).click();
  await page.getByText(/^The last 1.h/).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Who answers" }).waitFor();
  await page.getByText(/Memory answers [\d.]+/).first().waitFor();
  assert.equal(await page.getByRole("button", { name: /the last 1 hour/ }).getAttribute("aria-pressed"), "true");
  await page.goBack();
  await page.getByRole("heading", { name: "Needs attention" }).waitFor();
});

test("live can be paused, and goes on", async (t) => {
  const page = await open(t);
  await page.getByRole("button", { name: "Live" }).click();
  await page.getByRole("button", { name: "Paused" }).waitFor();
  const updated = await page.locator(".updated time").textContent();
  await page.getByText(/ old$/).first().waitFor();
  assert.equal(await page.locator(".updated time").textContent(), updated);
  await page.getByRole("button", { name: "Paused" }).click();
  await until("newer numbers", async () => (await page.locator(".updated time").textContent()) !== updated);
});

test("charts can be read by keyboard and as a table", async (t) => {
  const page = await open(t);
  const latency = chart(page, "Response time");
  await latency.getByRole("application").focus();
  for (let i = 0; i < 3; i += 1) await page.keyboard.press("ArrowLeft");
  await until("words for the point", async () => /p95/.test(await latency.locator("figure > [aria-live]").textContent()));
  await latency.locator(".when", { hasText: "at " }).waitFor();
  await chart(page, "Memory").locator(".when", { hasText: "at " }).waitFor();
  await page.keyboard.press("Escape");
  await latency.getByRole("button", { name: "Log scale" }).click();
  await latency.getByRole("button", { name: "Table" }).click();
  await latency.getByRole("button", { name: "Older" }).click();
  await latency.getByText(/^Page 2 of/).waitFor();
});

for (const [view, path] of Object.entries(VIEWS)) {
  for (const theme of THEMES) {
    test(`${view}, ${theme}: the accessibility checker finds nothing`, async (t) => {
      const page = await open(t, { path, theme, token: program.token });
      await assertAccessible(page);
    });
  }
}

test("every view fits every width, and has its picture taken", async (t) => {
  const folder = process.env.PERFKIT_SCREENSHOTS ?? mkdtempSync(join(tmpdir(), "perfkit-screenshots-"));
  mkdirSync(folder, { recursive: true });
  for (const [view, path] of Object.entries(VIEWS)) {
    for (const theme of THEMES) {
      for (const width of WIDTHS) {
        const page = await open(t, { path, theme, width, token: program.token });
        await assertFits(page, width, join(folder, `${view}-${theme}-${width}.png`));
        await page.close();
      }
    }
  }
  t.diagnostic(`pictures are in ${folder}`);
});

test("a server that went away is said so, and found again", async (t) => {
  const page = await open(t, { expect: [/WebSocket connection/, /Failed to load resource/] });
  const { listen, admin } = program;
  await program.stop();
  await page.getByRole("button", { name: "Reconnecting" }).waitFor();
  await page.getByText(/The server does not answer/).waitFor();
  await page.getByText("Not known").waitFor();
  const port = (address) => new URL(address).host;
  program = await startProgram(site.folder, { listen: port(listen), admin: port(admin) });
  await page.getByRole("button", { name: "Live" }).waitFor();
  await page.getByText("Healthy", { exact: true }).first().waitFor();
});
