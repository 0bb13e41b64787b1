// Asks @cloud-copilot/iam-simulate what the AWS stand-in was asked, and tells where the two disagree. `cargo test` writes the
// questions with the stand-in's answers; CASES names the file. Each disagreement has to be listed in known.mjs, and each
// rule of the stand-in has to be one whose absence would be noticed here.
import { readFileSync } from "node:fs";
import { runSimulation } from "@cloud-copilot/iam-simulate";
import { REWORDED, UNKNOWN_TO_IT } from "./known.mjs";

/** How many disagreements are shown whole. */
const SHOWN = Number(process.env.SHOWN ?? 10);

const lines = readFileSync(process.env.CASES, "utf8").trim().split("\n").map((line) => JSON.parse(line));
const [{ seed, rules, cases }, ...questions] = lines;
if (questions.length !== cases || cases < 500) {
  throw new Error(`${process.env.CASES} has ${questions.length} questions of ${cases}: run cargo test first`);
}

/** Several session policies allow what one of them allows; the simulator takes one. */
function united(texts) {
  const policies = texts.map((text) => JSON.parse(text));
  return policies.length > 0 ? { Version: policies[0].Version, Statement: policies.flatMap((it) => it.Statement) } : undefined;
}

async function decide(question) {
  const named = (text, name) => ({ name: `${name}`, policy: JSON.parse(text) });
  const answer = await runSimulation(
    {
      request: {
        principal: question.principal,
        action: question.action,
        resource: { resource: question.resource, accountId: question.owner },
        contextVariables: question.context,
      },
      identityPolicies: question.identity.map(named),
      permissionBoundaryPolicies: question.boundary ? [named(question.boundary, "boundary")] : undefined,
      sessionPolicy: united(question.session),
      resourcePolicy: question.resourcePolicy ? JSON.parse(question.resourcePolicy) : undefined,
      serviceControlPolicies: [],
      resourceControlPolicies: [],
    },
    {},
  );
  return answer.resultType === "error" ? `error ${JSON.stringify(answer.errors)}` : answer.overallResult;
}

const unlisted = [];
const met = new Map([...REWORDED, ...UNKNOWN_TO_IT].map((known) => [known, 0]));
const noticed = new Map(rules.map((rule) => [rule, 0]));
const count = (map, key) => map.set(key, map.get(key) + 1);

/** The listed reasons why the simulator says something else, if they are all that there is to it. */
async function reasons(question) {
  let asked = question;
  const reworded = [];
  for (const known of REWORDED) {
    const again = await known.reword(asked, decide);
    if (JSON.stringify(again) !== JSON.stringify(asked)) {
      asked = again;
      reworded.push(known);
    }
  }
  const theirs = await decide(asked);
  if (theirs === question.decision) {
    return reworded;
  }
  for (const known of UNKNOWN_TO_IT) {
    if ((await known.settle(asked, decide, theirs)) === question.decision) {
      return [known];
    }
  }
  return [];
}

for (const question of questions) {
  const theirs = await decide(question);
  if (theirs === question.decision) {
    Object.keys(question.without).forEach((rule) => count(noticed, rule));
    continue;
  }
  const known = await reasons(question);
  known.forEach((it) => count(met, it));
  if (known.length === 0) {
    unlisted.push({ theirs, ...question });
  }
}

console.log(`seed ${seed}: ${questions.length} questions, ${unlisted.length} disagreements that are not listed`);
for (const [{ name, document }, times] of met) {
  console.log(`  listed, ${times} times: ${name} (${document})`);
}
for (const { name, decision, theirs, without, ...question } of unlisted.slice(0, SHOWN)) {
  console.error(`${name}: the stand-in says ${decision}, iam-simulate ${theirs}\n  ${JSON.stringify(question)}`);
}
// Of questions that both answer alike; without the rule they would not.
const blind = [...noticed].filter(([, times]) => times === 0).map(([rule]) => rule);
console.log(`  without a rule, so many more: ${[...noticed].map(([rule, times]) => `${rule} ${times}`).join(", ")}`);
if (blind.length > 0) {
  console.error(`nobody would notice if these rules were missing: ${blind.join(", ")}`);
}
const stale = [...met].filter(([, times]) => times === 0).map(([{ name }]) => name);
if (stale.length > 0) {
  console.error(`listed, and not met: ${stale.join("; ")}`);
}
if (unlisted.length + blind.length + stale.length > 0) {
  process.exit(1);
}
