// What the walk and the samples stand on: counting, signing in, looking at a page, asking AWS.
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

const run = promisify(execFile);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const places = { demo: process.env.DEMO_JSON, out: process.env.WALK_OUT ?? "walk-out" };

mkdirSync(places.out, { recursive: true });

/** What a running demo says of itself; the samples do without one. */
export const demo = places.demo && JSON.parse(readFileSync(places.demo, "utf8"));
export const out = places.out;
export const tally = { passed: 0, failed: 0 };

/** Runs one check and counts it; what fails is told and the walk goes on. */
export async function check(name, body) {
  try {
    const value = await body();
    tally.passed += 1;
    console.log(`ok   ${name}`);
    return value;
  } catch (error) {
    tally.failed += 1;
    console.log(`FAIL ${name}\n     ${String(error.stack ?? error).split("\n").slice(0, 6).join("\n     ")}`);
    return undefined;
  }
}

export function expect(condition, message) {
  if (!condition) {
    throw new Error(message);
  }
}

/** Asks again until the answer is truthy. */
export async function until(what, ask, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    const answer = await ask();
    if (answer) {
      return answer;
    }
    expect(Date.now() < end, `waited ${seconds} s for ${what}`);
    await new Promise((done) => setTimeout(done, 200));
  }
}

export const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

/** What a browser complained about: blocked by the content security policy, thrown by the script, opened as a dialog. */
export const complaints = [];

/** Notes in each document that it is on its way to another one, and keeps it where it is once it is told to stay. */
const ways = () =>
  window.navigation?.addEventListener("navigate", (event) => {
    if (window.stays && event.cancelable) {
      event.preventDefault();
    } else if (!event.hashChange) {
      window.leaves = true;
    }
  });

/** Goes elsewhere once the page goes nowhere by itself. One that has seen news replaces itself, and Chromium drops another way that begins between the answer and the new document. */
async function goFrom(page, goto, ...where) {
  const stays = () => !window.leaves && (window.stays = true);
  await page.waitForFunction(stays);
  return goto(...where);
}

/** A browser of its own, whose complaints are collected. */
export async function newBrowser(name, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: "light", reducedMotion: "reduce", ...options });
  if (options.javaScriptEnabled !== false) {
    await context.addInitScript({ content: axe });
    await context.addInitScript(ways);
  }
  const page = await context.newPage();
  if (options.javaScriptEnabled !== false) {
    page.goto = goFrom.bind(undefined, page, page.goto.bind(page));
  }
  page.on("pageerror", (error) => complaints.push(`${name}: ${error}`));
  page.on("dialog", (dialog) => {
    complaints.push(`${name}: dialog ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on("console", (message) => {
    if (/Content Security Policy|Trusted/.test(message.text())) {
      complaints.push(`${name}: ${message.text()}`);
    }
  });
  return { page, context };
}

/** The same, signed in as one of the demo's people. */
export async function signIn(name, options = {}) {
  const person = demo.people.find(({ email }) => email.startsWith(`${name}@`));
  const { page, context } = await newBrowser(name, options);
  await page.goto(demo.portal_url);
  await page.locator(`button[value="${person.email}"]`).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  return { page, context, person };
}

/** axe, reflow and, unless told otherwise, a picture, in both colour schemes, wide and narrow. */
export async function inspect(page, name, { pictures = true } = {}) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    for (const width of [1280, 375]) {
      await page.setViewportSize({ width, height: 900 });
      await check(`${name}: axe finds nothing (${colorScheme}, ${width} px)`, async () => {
        const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations"] }));
        const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
        expect(told.length === 0, told.join("\n"));
      });
      if (pictures) {
        await page.screenshot({ path: join(out, `${name}-${colorScheme}-${width}.png`), fullPage: true });
      }
    }
  }
  await check(`${name}: fits into 320 px`, async () => {
    await page.setViewportSize({ width: 320, height: 900 });
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    expect(over <= 0, `${over} px too wide`);
  });
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
}

/** Runs a command for the AWS CLI as the pages show it; the CLI comes with tests/boto3/requirements.txt. */
export async function typeAws(command, env) {
  try {
    const { stdout } = await run("bash", ["-c", command], { timeout: 60_000, env: { PATH: process.env.PATH, HOME: "/nonexistent", ...env } });
    return { code: 0, ...JSON.parse(stdout) };
  } catch (error) {
    return { code: error.code, refused: String(error.stderr ?? error) };
  }
}

/** Runs a command for curl as the pages show it. */
export async function type(command, env) {
  const quiet = command.replace(/^curl /, "curl --silent --max-time 20 --write-out '\\n%{http_code}' ");
  const { stdout } = await run("bash", ["-c", quiet], { env: { PATH: process.env.PATH, ...env } });
  const lines = stdout.trimEnd().split("\n");
  return { status: Number(lines.pop()), body: lines.join("\n") };
}

/** Signs one AssumeRole with a person's own keys. */
export function assumeRole({ aws }, roleArn, session) {
  return type(
    `curl ${demo.aws_endpoint_url}/ --aws-sigv4 aws:amz:us-east-1:sts --user "$ID:$SECRET" -d Action=AssumeRole -d Version=2011-06-15 ` +
      `-d RoleArn=${roleArn} -d RoleSessionName=${session}`,
    { ID: aws.access_key_id, SECRET: aws.secret_access_key },
  );
}

/** The keys in an answer to AssumeRole, under the names that the pages use. */
export function sessionKeys(body) {
  const field = (name) => new RegExp(`<${name}>([^<]+)</${name}>`).exec(body)?.[1];
  return { SESSION_KEY_ID: field("AccessKeyId"), SESSION_SECRET: field("SecretAccessKey"), SESSION_TOKEN: field("SessionToken") };
}
