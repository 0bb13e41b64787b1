// What only a browser can tell of a page that is open for long: it keeps asking, says when it does not know, and keeps what was typed.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { check, expect, newBrowser } from "./harness.mjs";

const TYPES = { css: "text/css", js: "text/javascript", svg: "image/svg+xml" };

/** A site of one page, whose answer a test changes; time is the test's own. Without an answer the connection breaks. */
async function site(folder, name) {
  const state = { looks: 0, answer: () => html(sample(folder, name)) };
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const asset = /^\/assets\/[a-z0-9.]+\.(css|js|svg)$/.exec(pathname);
    if (asset) {
      response.writeHead(200, { "Content-Type": TYPES[asset[1]] }).end(readFileSync(join(folder, pathname)));
    } else if (pathname === "/nothing") {
      response.writeHead(204).end();
    } else {
      state.looks += 1;
      const answer = state.answer(pathname);
      if (answer) {
        response.writeHead(answer.status, answer.headers).end(answer.body);
      } else {
        request.socket.destroy();
      }
    }
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const { page, context } = await newBrowser(name);
  await page.clock.install();
  const origin = `http://127.0.0.1:${server.address().port}`;
  await page.goto(`${origin}/requests/req_1`);
  const close = async () => {
    await context.close();
    server.closeAllConnections();
    server.close();
  };
  return { page, state, origin, close };
}

const sample = (folder, name) => readFileSync(join(folder, `${name}.html`), "utf8");
const html = (body, status = 200) => ({ status, headers: { "Content-Type": "text/html; charset=utf-8" }, body });
const to = (location) => ({ status: 303, headers: { location } });

/** Lets time pass in steps, so that answers come in between. */
async function pass(page, seconds, step = 5) {
  for (let gone = 0; gone < seconds; gone += step) {
    await page.clock.runFor(step * 1000);
    // Fails where the page has just been left.
    await page.evaluate(() => fetch("/nothing")).catch(() => page.waitForLoadState());
  }
}

export async function watching(folder) {
  await check("an hour later an open page still learns that its grant was revoked", async () => {
    const { page, state, close } = await site(folder, "grant-active");
    await page.clock.fastForward(60 * 60 * 1000);
    state.answer = () => html(sample(folder, "grant-closing"));
    await pass(page, 30);
    expect((await page.title()).includes("Closing:"), await page.title());
    await close();
  });
  await check("an approver's Home changes when something new waits", async () => {
    const { page, state, close } = await site(folder, "home-empty");
    state.answer = () => html(sample(folder, "home-approver"));
    await pass(page, 10);
    await page.locator("#waiting").waitFor({ state: "attached" });
    await close();
  });
  await check("a page that changes takes nobody back who is on the way to another one", async () => {
    const { page, state, origin, close } = await site(folder, "home-empty");
    const hold = async (pattern) => {
      let release;
      const held = new Promise((let_go) => (release = let_go));
      await page.route(pattern, async (route) => {
        await held;
        await route.continue();
      });
      return release;
    };
    const a_while = () => new Promise((over) => setTimeout(over, 500));
    // The page has asked, somebody leaves, and only then comes the answer.
    const answer = await hold("**/requests/req_1");
    state.answer = () => html(sample(folder, "home-approver"));
    await page.clock.runFor(3000);
    const arrive = await hold("**/slow");
    const gone = page.goto(`${origin}/slow`).catch((error) => error);
    await a_while();
    answer();
    await a_while();
    arrive();
    expect(!((await gone) instanceof Error), `${await gone}`);
    expect(page.url() === `${origin}/slow`, page.url());
    await close();
  });
  await check("a page in a hidden tab asks too, and at once when it is seen again", async () => {
    const { page, state, close } = await site(folder, "grant-active");
    const see = (hidden) =>
      page.evaluate((value) => {
        Object.defineProperty(document, "hidden", { configurable: true, get: () => value });
        document.dispatchEvent(new Event("visibilitychange"));
      }, hidden);
    await see(true);
    await pass(page, 5);
    const before = state.looks;
    await pass(page, 180, 20);
    expect(state.looks > before, "it does not ask while it is hidden");
    expect(state.looks < before + 10, `${state.looks - before} times in three minutes is too often for what nobody sees`);
    state.answer = () => html(sample(folder, "grant-ended"));
    await see(false);
    await page.waitForFunction(() => document.title.includes("Ended:"));
    await close();
  });
  await check("a page whose server is gone says since when it does not know, until it knows again", async () => {
    const { page, state, close } = await site(folder, "grant-active");
    const known = state.answer;
    state.answer = () => undefined;
    await pass(page, 20);
    const note = page.locator("[data-unknown]");
    expect(await note.isVisible(), "it says nothing");
    expect(/as it was at \d\d:\d\d:\d\d UTC/.test(await note.innerText()), await note.innerText());
    expect((await page.title()).startsWith("Not known"), await page.title());
    state.answer = () => html("busy", 503);
    await pass(page, 20);
    expect(await note.isVisible(), "busy counts as an answer");
    state.answer = known;
    await pass(page, 20);
    expect(!(await note.isVisible()), "it does not notice that the server is back");
    await close();
  });
  await check("a page whose session is over says so", async () => {
    const { page, state, close } = await site(folder, "request-review");
    state.answer = (path) => (path === "/sign-in" ? html(sample(folder, "sign-in")) : to("/sign-in?next=%2Frequests%2Freq_1"));
    await pass(page, 10);
    expect(await page.locator("[data-signed-out]").isVisible(), "it says nothing");
    const link = await page.getByRole("link", { name: "Sign in again" }).getAttribute("href");
    expect(link === "/sign-in?next=%2Frequests%2Freq_1", link);
    await close();
  });
  await check("a page that somebody types into does not go away, and counts nothing down that may be over", async () => {
    const { page, state, close } = await site(folder, "grant-active");
    await page.getByLabel("Reason").fill("I am");
    state.answer = () => html(sample(folder, "grant-ended"));
    await pass(page, 10);
    expect(await page.locator("[data-changed]").isVisible(), "it says nothing");
    expect((await page.getByLabel("Reason").inputValue()) === "I am", "the text is gone");
    expect((await page.locator("[data-countdown]").first().innerText()) === "?", "it counts on");
    await close();
  });
  await check("what was typed is there again after a sign-in, for the same person alone", async () => {
    for (const same of [true, false]) {
      const { page, state, origin, close } = await site(folder, "request-review");
      const known = state.answer;
      await page.getByRole("radio", { name: /Deny/ }).check();
      await page.getByLabel("Comment").fill("Not <b>now</b>.");
      state.answer = (path) => (path === "/sign-in" ? html(sample(folder, "sign-in")) : to("/sign-in"));
      await page.getByRole("button", { name: "Send decision" }).click();
      await page.waitForURL(`${origin}/sign-in`);
      const other = (body) => body.replace(/data-person="[^"]*"/, 'data-person="person_other"');
      state.answer = () => (same ? known() : html(other(known().body)));
      await page.goto(`${origin}/requests/req_1`);
      const comment = await page.getByLabel("Comment").inputValue();
      expect(comment === (same ? "Not <b>now</b>." : ""), `${same}: ${comment}`);
      expect((await page.getByRole("radio", { name: /Deny/ }).isChecked()) === same, "the choice");
      expect((await page.locator("[data-kept]").isVisible()) === same, "the note");
      await page.reload();
      expect((await page.getByLabel("Comment").inputValue()) === "", "it comes back for ever");
      await close();
    }
  });
}
