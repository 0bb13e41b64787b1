// Signing in through a provider that nobody here wrote (npm `oidc-provider`), in a real browser: `countersign demo --oidc` is started
// here, and asked for nothing that `serve` would not do. COUNTERSIGN names the program; pictures and data go to WALK_OUT.
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { providerFor } from "./provider.mjs";

const SECRET = "a secret, of this run";
const folder = process.env.WALK_OUT ?? "oidc-out";
const data = join(folder, "data");
rmSync(folder, { recursive: true, force: true });

// The provider has its address before it has its client: the demo's port is known once the demo runs.
let answer = (_, response) => response.writeHead(503).end();
const server = createServer((request, response) => answer(request, response));
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const issuer = `http://127.0.0.1:${server.address().port}`;

const demo = spawn(
  process.env.COUNTERSIGN ?? "target/debug/countersign",
  ["demo", "--oidc", "--port", "0", "--aws-port", "0", "--data-dir", data],
  {
    stdio: ["ignore", "ignore", "inherit"],
    env: {
      ...process.env,
      COUNTERSIGN_OIDC__ISSUER: issuer,
      COUNTERSIGN_OIDC__CLIENT_ID: "countersign",
      COUNTERSIGN_OIDC__CLIENT_SECRET: SECRET,
    },
  },
);
let ended = false;
const end = new Promise((done) => demo.once("exit", () => done((ended = true))));
process.on("exit", () => demo.kill());

const described = join(data, "demo.json");
for (let tries = 0; !existsSync(described); tries += 1) {
  if (ended || tries > 600) {
    console.error("the demo did not start");
    process.exit(1);
  }
  await new Promise((done) => setTimeout(done, 100));
}
process.env.DEMO_JSON = described;
process.env.WALK_OUT = folder;
const portal = JSON.parse(readFileSync(described, "utf8")).portal_url;

const provider = providerFor(issuer, portal, SECRET);
answer = provider.callback();

const { browser, check, complaints, expect, inspect, newBrowser, tally, until } = await import("./harness.mjs");

/** Types who it is at the provider, and lets Countersign know it. */
async function atTheProvider(page, who) {
  await page.waitForURL(`${issuer}/**`);
  await page.locator("input[name=login]").fill(who);
  await page.locator("input[name=password]").fill("anything");
  await page.locator("button[type=submit]").click();
  await page.getByRole("button", { name: "Continue" }).click();
  await page.waitForURL(`${portal}/**`);
}

const signedIn = (page) => page.getByRole("button", { name: "Sign out" }).waitFor();

const alice = await newBrowser("alice");
await check("a stranger is sent to sign in, and the page says where that is", async () => {
  await alice.page.goto(`${portal}/entitlements/prod-admin`);
  expect(new URL(alice.page.url()).pathname === "/sign-in", alice.page.url());
  expect((await alice.page.getByText(new URL(issuer).host).count()) > 0, "the provider is not named");
});
await inspect(alice.page, "sign-in");
await check("nobody can be picked", async () => {
  const picked = await alice.page.request.post(`${portal}/sign-in`, {
    form: { person: "alice@example.com", next: "/" },
    headers: { "sec-fetch-site": "same-origin" },
    maxRedirects: 0,
  });
  expect(picked.status() === 405, `status ${picked.status()}`);
});
await check("alice signs in at the provider and comes back to where she wanted to go", async () => {
  await alice.page.getByRole("link", { name: "Sign in" }).click();
  await atTheProvider(alice.page, "alice");
  await signedIn(alice.page);
  expect(new URL(alice.page.url()).pathname === "/entitlements/prod-admin", alice.page.url());
});
let request;
await check("her groups are the provider's: she may ask", async () => {
  await alice.page.getByRole("radio", { name: "Other" }).check({ force: true });
  await alice.page.getByLabel("Another length").fill("15m");
  await alice.page.getByLabel("Justification").fill("Orders are stuck behind a poisoned message.");
  await alice.page.getByRole("button", { name: "Send request" }).click();
  await alice.page.waitForURL(/\/requests\/req_/);
  request = alice.page.url();
});
const bob = await newBrowser("bob");
await check("bob signs in and approves, and AWS opens the role", async () => {
  await bob.page.goto(request);
  await bob.page.getByRole("link", { name: "Sign in" }).click();
  await atTheProvider(bob.page, "bob");
  expect(bob.page.url() === request, bob.page.url());
  await bob.page.getByRole("radio", { name: /Approve/ }).check();
  await bob.page.getByRole("button", { name: "Send decision" }).click();
  await until("the grant to be open", async () => {
    await alice.page.goto(request);
    return (await alice.page.title()).startsWith("Active:");
  });
});
const yan = await newBrowser("yan");
await check("of whom the provider tells no groups, nobody is let in on a guess", async () => {
  await yan.page.goto(portal);
  await yan.page.getByRole("link", { name: "Sign in" }).click();
  await atTheProvider(yan.page, "yan");
  expect((await yan.page.getByText("did not tell your groups").count()) > 0, await yan.page.innerText("main"));
});
await inspect(yan.page, "groups-unknown");
await check("alice sees where she is signed in", async () => {
  await alice.page.goto(portal);
  await alice.page.getByRole("link", { name: "where you are signed in" }).click();
  expect((await alice.page.getByText("This browser").count()) === 1, await alice.page.innerText("main"));
});
await inspect(alice.page, "sessions");
await check("signing out sticks: the page waits for a click", async () => {
  await bob.page.getByRole("button", { name: "Sign out" }).click();
  await bob.page.waitForURL(/\/sign-in/);
  await bob.page.reload();
  expect(new URL(bob.page.url()).pathname === "/sign-in", bob.page.url());
});
await inspect(bob.page, "signed-out");
await check("at the provider bob is signed in still, and one click brings him back", async () => {
  await bob.page.getByRole("link", { name: "Sign in", exact: true }).click();
  await signedIn(bob.page);
});
await check("signing out at the provider signs out here, with no browser asking", async () => {
  await bob.page.goto(`${issuer}/session/end`);
  await bob.page.getByRole("button", { name: /yes/i }).click();
  await until("the session to end", async () => {
    await bob.page.goto(`${portal}/requests`);
    return new URL(bob.page.url()).pathname === "/sign-in";
  });
  await alice.page.goto(`${portal}/requests`);
  await signedIn(alice.page);
});
await check("no browser complained", async () => expect(complaints.length === 0, complaints.join("\n")));

await browser.close();
server.close();
server.closeAllConnections();
demo.kill();
await end;
console.log(`${tally.passed} passed, ${tally.failed} failed`);
process.exit(tally.failed === 0 ? 0 : 1);
