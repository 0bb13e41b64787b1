// axe over every sample of every page. `cargo test` writes them; PAGES names their folder.
import { readFileSync, readdirSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { browser, check, complaints, expect, inspect, newBrowser, tally } from "./harness.mjs";
import { watching } from "./watching.mjs";

const folder = process.env.PAGES;
const TYPES = { ".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml" };

const names = readdirSync(folder).filter((name) => name.endsWith(".html"));
expect(names.length > 20, `${folder} holds ${names.length} pages: run cargo test first`);

/** The folder, and nothing else, on a free port of this machine. */
const server = createServer((request, response) => {
  const path = normalize(new URL(request.url, "http://localhost").pathname);
  try {
    const body = readFileSync(join(folder, path));
    response.writeHead(200, { "Content-Type": TYPES[extname(path)] }).end(body);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const { port } = server.address();

const { page } = await newBrowser("samples");
page.on("response", (response) => {
  if (!response.ok()) {
    complaints.push(`${response.url()}: ${response.status()}`);
  }
});
for (const file of names) {
  const name = file.replace(".html", "");
  await page.goto(`http://127.0.0.1:${port}/${file}`);
  await check(`${name}: the style sheet is there`, async () => {
    const rules = await page.evaluate(() => [...document.styleSheets].map(({ cssRules }) => cssRules.length));
    expect(rules.length === 1 && rules[0] > 20, `rules: ${rules}`);
  });
  await inspect(page, name, { pictures: false });
}

const open = (name) => page.goto(`http://127.0.0.1:${port}/${name}.html`);
await check("a choice is as large as ever when its text wraps", async () => {
  await open("request-review");
  await page.setViewportSize({ width: 320, height: 900 });
  await page.locator(".choice small").first().evaluate((el) => (el.textContent = "a sentence that is long enough to wrap. ".repeat(8)));
  const sizes = await page.locator(".choice input").evaluateAll((radios) => radios.map((radio) => radio.getBoundingClientRect().width));
  expect(sizes.every((width) => width > 16), `${sizes}`);
  await page.setViewportSize({ width: 1280, height: 900 });
});
await check("with forced colours one entry of the navigation is marked", async () => {
  await open("home");
  await page.emulateMedia({ forcedColors: "active" });
  const lines = await page.locator(".top nav a").evaluateAll((links) =>
    links.map((link) => [link.hasAttribute("aria-current"), getComputedStyle(link).borderBottomColor]));
  const ground = await page.locator(".top").evaluate((top) => getComputedStyle(top).backgroundColor);
  await page.emulateMedia({ forcedColors: "none" });
  for (const [current, line] of lines) {
    expect((line !== ground) === current, `${JSON.stringify(lines)} on ${ground}`);
  }
});
await check("what is wrong has the focus", async () => {
  for (const name of ["ask-wrong", "request-review-wrong", "request-late", "audit-wrong"]) {
    await open(name);
    const focused = await page.evaluate(() => document.activeElement.id);
    expect(focused === "errors", `${name}: ${focused}`);
  }
});
await watching(folder);
await check("everything that a page asks for is there, and no browser complained", async () => {
  expect(complaints.length === 0, complaints.join("\n"));
});
await browser.close();
server.close();
console.log(`${tally.passed} passed, ${tally.failed} failed`);
process.exit(tally.failed === 0 ? 0 : 1);
