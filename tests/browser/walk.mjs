// The whole path in a real browser: ask, countersign, use, deadline, history. Needs a running demo (DEMO_JSON); pictures go to WALK_OUT.
// `--picture FILE` also writes the picture of the README.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { assumeRole, browser, check, complaints, demo, expect, inspect, out, sessionKeys, signIn, tally, type, typeAws, until } from "./harness.mjs";

if (!demo) {
  console.error("DEMO_JSON must name the demo.json of a running demo");
  process.exit(2);
}
// Longer than it takes to look at every page of an open grant.
const SECONDS = Number(process.env.WALK_SECONDS ?? 90);
const HOSTILE = `<img src=x onerror=alert(1)><script>alert(2)</script>`;
const picture = process.argv.includes("--picture") ? process.argv[process.argv.indexOf("--picture") + 1] : undefined;
const role = demo.entitlements.find(({ name }) => name === "prod-admin").role_arn;

const titled = (page, word) =>
  until(`${word} in the title`, async () => {
    await page.goto(page.url().split("#")[0]);
    return (await page.title()).startsWith(`${word}:`) || (await page.title()).includes(`· ${word}:`);
  });

async function ask(page, { length, why, ticket = "", what = "prod-admin" }) {
  await page.goto(demo.portal_url);
  await page.getByRole("link", { name: `Ask for ${what}` }).click();
  await page.getByRole("radio", { name: "Other" }).check({ force: true });
  await page.getByLabel("Another length").fill(length);
  await page.getByLabel("Justification").fill(why);
  await page.getByLabel("Ticket").fill(ticket);
  await page.getByRole("button", { name: "Send request" }).click();
}

async function open(page, url) {
  await page.goto(url);
  return page;
}

async function theWalk(alice, bob) {
  await check("before: AWS refuses alice the role", async () => {
    const { status } = await assumeRole(alice.person, role, "alice");
    expect(status === 403, `status ${status}`);
  });
  await inspect(alice.page, "home");
  await check("a duration that is none is refused beside its field, and what was typed stays", async () => {
    await ask(alice.page, { length: "3 fortnights", why: HOSTILE });
    expect((await alice.page.title()).startsWith("Error:"), await alice.page.title());
    expect((await alice.page.getByLabel("Justification").inputValue()) === HOSTILE, "the justification is gone");
    expect((await alice.page.locator("#duration-error").count()) === 1, "no error beside the field");
  });
  await inspect(alice.page, "ask-refused");
  await check("alice asks for prod-admin", async () => {
    const why = `Orders are stuck behind a poisoned message in checkout-dlq.\nI redrive it by hand and watch the consumers come back. ${HOSTILE}`;
    await ask(alice.page, { length: `${SECONDS}s`, why, ticket: "INC-4711" });
    await alice.page.waitForURL(/\/requests\/req_/);
    expect((await alice.page.title()).startsWith("Pending:"), await alice.page.title());
    expect((await alice.page.getByText(HOSTILE).count()) > 0, "the justification is not shown as it was typed");
  });
  const url = alice.page.url();
  await inspect(alice.page, "request-pending");
  await check("alice is not offered a decision on her own request", async () => {
    expect((await alice.page.getByRole("button", { name: "Send decision" }).count()) === 0, "she is");
  });
  await check("bob finds it among what waits for him", async () => {
    await bob.page.goto(`${demo.portal_url}/waiting`);
    await bob.page.getByRole("link", { name: /prod-admin for / }).first().waitFor();
  });
  await inspect(bob.page, "waiting");
  await open(bob.page, url);
  await inspect(bob.page, "review");
  await open(alice.page, url);
  await check("bob approves", async () => {
    await bob.page.getByRole("radio", { name: /Approve/ }).check();
    await bob.page.getByLabel("Comment").fill("Go. I am watching the queue depth with you.");
    await bob.page.getByRole("button", { name: "Send decision" }).click();
    await bob.page.waitForURL(url);
  });
  await check("alice's open page turns active by itself", async () => {
    await alice.page.waitForFunction(() => document.title.includes("Active:"), undefined, { timeout: 20_000 });
  });
  return url;
}

async function theUse(alice, bob) {
  const deadline = new Date(await alice.page.locator("#grant time[data-countdown]").first().getAttribute("datetime"));
  const own = { AWS_ACCESS_KEY_ID: alice.person.aws.access_key_id, AWS_SECRET_ACCESS_KEY: alice.person.aws.secret_access_key };
  const command = await alice.page.getByRole("region", { name: "Command for curl" }).innerText();
  const cli = await alice.page.getByRole("region", { name: "Command for the AWS CLI" }).innerText();
  const grant = /RoleSessionName=(\S+)/.exec(command)?.[1];
  await alice.page.getByText("Then try what the session may do").click();
  const attempt = await alice.page.getByRole("region", { name: "Command that uses the session" }).innerText();
  const keys = await check("what the page says to type gives alice the role", async () => {
    const { status, body } = await type(command, own);
    expect(status === 200, `${status} ${body}`);
    return sessionKeys(body);
  });
  await check("what the page says to type with the AWS CLI gives her the same", async () => {
    const { code, refused, AssumedRoleUser } = await typeAws(cli, own);
    expect(code === 0, `exit code ${code}: ${refused}`);
    expect(AssumedRoleUser.Arn.endsWith(`:assumed-role/prod-admin/${grant}`), AssumedRoleUser.Arn);
  });
  await check("the session can do what the role can", async () => {
    const { status, body } = await type(attempt, keys);
    expect(status === 200 && body.includes("<ListUsersResult>"), `${status} ${body}`);
  });
  await check("the console's session name works as well", async () => {
    const { status, body } = await assumeRole(alice.person, role, "alice");
    expect(status === 200, `${status} ${body}`);
  });
  await check("another session name is refused, and so is bob", async () => {
    const other = await assumeRole(alice.person, role, "somebody");
    const bobs = await assumeRole(bob.person, role, grant);
    expect(other.status === 403 && bobs.status === 403, `${other.status} ${bobs.status}`);
  });
  await inspect(alice.page, "grant-active");
  await check("all of this took place before the deadline", async () => {
    expect(Date.now() < deadline.getTime(), `${Date.now() - deadline.getTime()} ms too late: WALK_SECONDS is too short`);
  });
  await check("at the deadline AWS refuses new sessions and the live one", async () => {
    await until("the deadline", () => Date.now() > deadline.getTime() + 1000, SECONDS + 10);
    const again = await type(command, own);
    const live = await type(attempt, keys);
    expect(again.status === 403 && live.status === 403, `AssumeRole ${again.status}, ListUsers ${live.status}`);
    const { code, refused } = await typeAws(cli, own);
    expect(code !== 0 && refused.includes("AccessDenied"), `exit code ${code}: ${refused}`);
  });
  await check("the page tells how it ended", async () => {
    await titled(alice.page, "Ended");
    const history = await alice.page.locator(".timeline").innerText();
    for (const step of [/asked/, /approved/, /is open/, /is closed/]) {
      expect(step.test(history), `${step} is not in: ${history}`);
    }
  });
  await inspect(alice.page, "grant-ended");
  return grant;
}

async function theKeyboard(alice, bob) {
  await ask(alice.page, { length: "10m", why: "Once more, by keyboard." });
  const url = alice.page.url();
  await check("bob approves with the keyboard alone", async () => {
    const { page } = bob;
    const focused = (read) => page.evaluate(read);
    const tabTo = async (what, found) => {
      for (let i = 0; i < 40; i += 1) {
        await page.keyboard.press("Tab");
        if (await focused(found)) {
          return;
        }
      }
      throw new Error(`Tab does not reach ${what}`);
    };
    await page.goto(`${demo.portal_url}/waiting`);
    await page.keyboard.press("Tab");
    expect(await focused(() => document.activeElement.className === "skip"), "the first stop is not the skip link");
    await page.keyboard.press("Enter");
    await tabTo("the request", () => document.activeElement.className === "row-title");
    await page.keyboard.press("Enter");
    await page.waitForURL(url);
    await tabTo("the choice", () => document.activeElement.name === "choice");
    await page.keyboard.press("Space");
    expect(await focused(() => document.activeElement.value === "approve" && document.activeElement.checked), "approve is not chosen");
    await tabTo("the button", () => document.activeElement.textContent === "Send decision");
    await page.keyboard.press("Enter");
    await until("bob's decision", async () => (await page.locator(".people").count()) > 0);
  });
  await check("alice ends it before its time and AWS refuses her", async () => {
    await titled(alice.page, "Active");
    const { status } = await assumeRole(alice.person, role, "alice");
    expect(status === 200, `AssumeRole ${status}`);
    await alice.page.getByLabel("Reason").fill("Done.");
    await alice.page.getByRole("button", { name: "End now" }).click();
    await titled(alice.page, "Ended");
    await until("AWS to refuse", async () => (await assumeRole(alice.person, role, "alice")).status === 403);
    await alice.page.getByText("Requested", { exact: true }).waitFor();
  });
}

/** Two stages, a question, and an approval that is shorter than what was asked. */
async function theStages(alice, bob, dave) {
  await ask(alice.page, { what: "prod-change", length: "10m", why: "The planned change of tonight." });
  const url = alice.page.url();
  await check("dave is not asked before a lead has approved", async () => {
    await open(dave.page, url);
    await dave.page.getByText("Waits for the stage before").waitFor();
    expect((await dave.page.getByRole("button", { name: "Send decision" }).count()) === 0, "he is offered a decision");
  });
  await open(bob.page, url);
  await check("bob asks a question, and alice answers", async () => {
    await bob.page.getByRole("radio", { name: /Ask a question/ }).check();
    await bob.page.getByLabel("Comment").fill("Which window?");
    await bob.page.getByRole("button", { name: "Send decision" }).click();
    await bob.page.getByText("has not answered yet").waitFor();
    // A page into which something was typed is not replaced by itself.
    await bob.page.getByLabel("Comment").fill("Go.");
    await open(alice.page, url);
    await inspect(alice.page, "answering");
    await alice.page.getByLabel("Your answer").fill("From ten to eleven.");
    await alice.page.getByRole("button", { name: "Send answer" }).click();
    await alice.page.getByText("From ten to eleven.").first().waitFor();
  });
  await check("bob, whose page is older, is told so, and then approves for five minutes", async () => {
    await bob.page.getByRole("radio", { name: /Approve/ }).check();
    await bob.page.getByRole("button", { name: "Send decision" }).click();
    await bob.page.getByText("What has changed since you looked").waitFor();
    await bob.page.getByRole("radio", { name: /Approve/ }).check();
    await bob.page.getByRole("radio", { name: "5 min", exact: true }).check({ force: true });
    await bob.page.getByRole("button", { name: "Send decision" }).click();
    await bob.page.getByRole("button", { name: "Take my approval back" }).waitFor();
  });
  await inspect(bob.page, "stages-half-way");
  await check("with dave's approval it opens, for five minutes", async () => {
    await open(dave.page, url);
    await inspect(dave.page, "stages-review");
    await dave.page.getByRole("radio", { name: /Approve/ }).check();
    await dave.page.getByRole("button", { name: "Send decision" }).click();
    await titled(alice.page, "Active");
    expect(/5 min/.test(await alice.page.locator("main").innerText()), "five minutes are not told");
    await alice.page.getByRole("button", { name: "End now" }).click();
    await titled(alice.page, "Ended");
  });
}

/** Who has no IAM user: the keys of a session of Identity Center as the default ones, and the profile that the page shows. */
async function theProfile(frank, bob) {
  await ask(frank.page, { length: "10m", why: "I come from Identity Center." });
  await open(bob.page, frank.page.url());
  await bob.page.getByRole("radio", { name: /Approve/ }).check();
  await bob.page.getByRole("button", { name: "Send decision" }).click();
  await titled(frank.page, "Active");
  await inspect(frank.page, "grant-of-a-session");
  const { access_key_id, secret_access_key, session_token } = frank.person.aws;
  const folder = resolve(out, "aws");
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}/config`, await frank.page.getByRole("region", { name: "Profile for AWS's tools" }).innerText());
  const own = `aws_access_key_id = ${access_key_id}\naws_secret_access_key = ${secret_access_key}\naws_session_token = ${session_token}\n`;
  writeFileSync(`${folder}/credentials`, `[default]\n${own}`);
  const env = { HOME: folder, AWS_CONFIG_FILE: `${folder}/config`, AWS_SHARED_CREDENTIALS_FILE: `${folder}/credentials` };
  const command = "aws --profile prod-admin --output json iam list-users";
  await check("the profile that frank's page shows works with the keys of his session", async () => {
    const { code, refused, Users } = await typeAws(command, env);
    expect(code === 0 && Users.length > 0, `exit code ${code}: ${refused}`);
  });
  await frank.page.getByRole("button", { name: "End now" }).click();
  await titled(frank.page, "Ended");
  await check("after the end it is refused", async () => {
    const { code, refused } = await typeAws(command, env);
    expect(code !== 0 && refused.includes("AccessDenied"), `exit code ${code}: ${refused}`);
  });
}

async function withoutScript() {
  const alice = await signIn("alice", { javaScriptEnabled: false });
  const bob = await signIn("bob", { javaScriptEnabled: false });
  await check("without JavaScript: a request is made and withdrawn", async () => {
    await ask(alice.page, { length: "PT10M", why: "I change my mind." });
    await alice.page.getByRole("button", { name: "Withdraw request" }).click();
    expect((await alice.page.title()).startsWith("Withdrawn:"), await alice.page.title());
  });
  await check("without JavaScript: a denial needs a comment, then it is final", async () => {
    await ask(alice.page, { length: "PT10M", why: "No script needed." });
    await bob.page.goto(alice.page.url());
    await bob.page.getByRole("radio", { name: /Deny/ }).check();
    await bob.page.getByRole("button", { name: "Send decision" }).click();
    expect((await bob.page.locator("#comment-error").count()) === 1, "no error beside the comment");
    expect(await bob.page.getByRole("radio", { name: /Deny/ }).isChecked(), "the choice is gone");
    await bob.page.getByLabel("Comment").fill("Not without a ticket.");
    await bob.page.getByRole("button", { name: "Send decision" }).click();
    expect((await bob.page.title()).startsWith("Denied:"), await bob.page.title());
  });
  await check("without JavaScript: a page that is not there says so", async () => {
    const answer = await alice.page.goto(`${demo.portal_url}/requests/req_00000000000000000000000000`);
    expect(answer.status() === 404, `status ${answer.status()}`);
  });
  await alice.context.close();
  await bob.context.close();
}

async function thePicture(alice, bob, file) {
  await ask(alice.page, {
    length: "1h",
    why: "Orders are stuck behind a poisoned message in checkout-dlq.\nI redrive the queue by hand and watch the consumers come back.",
    ticket: "INC-4711",
  });
  await open(bob.page, alice.page.url());
  await bob.page.getByRole("radio", { name: /Approve/ }).check();
  mkdirSync(dirname(file), { recursive: true });
  await bob.page.setViewportSize({ width: 1280, height: 1020 });
  await bob.page.screenshot({ path: file });
  await alice.page.getByRole("button", { name: "Withdraw request" }).click();
}

const stranger = await browser.newContext({ viewport: { width: 1280, height: 900 } });
await check("nobody sees a page before sign-in", async () => {
  const page = await stranger.newPage();
  await page.goto(`${demo.portal_url}/waiting`);
  expect(new URL(page.url()).pathname === "/sign-in", page.url());
});
const alice = await signIn("alice");
const bob = await signIn("bob");
const url = await theWalk(alice, bob);
const grant = await theUse(alice, bob);
await theKeyboard(alice, bob);
await theStages(alice, bob, await signIn("dave"));
await theProfile(await signIn("frank"), bob);
await withoutScript();
await inspect(await open(alice.page, `${demo.portal_url}/requests`), "my-requests");
await inspect(await open(alice.page, `${demo.portal_url}/requests/req_00000000000000000000000000`), "not-found");
await open(alice.page, demo.portal_url);
await alice.page.getByRole("link", { name: "Ask for prod-admin" }).click();
await inspect(alice.page, "ask");
const erin = await signIn("erin");
await check("erin, the auditor, sees each step of the grant", async () => {
  await erin.page.goto(`${demo.portal_url}/audit?subject=${grant}`);
  const table = await erin.page.locator("table").innerText();
  for (const action of ["grant.opening", "grant.opened", "grant.closing", "grant.ended"]) {
    expect(table.includes(action), `${action} is not in the log`);
  }
  await erin.page.goto(url);
  expect((await erin.page.getByRole("button", { name: "Send decision" }).count()) === 0, "an auditor is offered a decision");
});
await inspect(await open(erin.page, `${demo.portal_url}/audit`), "audit");
await check("sign-out ends the session", async () => {
  await erin.page.getByRole("button", { name: "Sign out" }).click();
  await erin.page.goto(`${demo.portal_url}/audit`);
  expect(new URL(erin.page.url()).pathname === "/sign-in", erin.page.url());
});
await inspect(erin.page, "sign-in");
if (picture) {
  await check("the picture of the README", () => thePicture(alice, bob, picture));
}
await check("no browser complained: nothing blocked, nothing thrown, no dialog", async () => {
  expect(complaints.length === 0, complaints.join("\n"));
});
await browser.close();
console.log(`${tally.passed} passed, ${tally.failed} failed`);
process.exit(tally.failed === 0 ? 0 : 1);
