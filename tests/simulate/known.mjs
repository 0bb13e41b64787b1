// Where the AWS stand-in and @cloud-copilot/iam-simulate disagree and it is known why, with the document that decides. UG is the
// IAM User Guide. None is taken on trust: the simulator is asked once more in a way that avoids the difference, and has to
// agree then.

const EXPLICIT = "ExplicitlyDenied";
const UG = "https://docs.aws.amazon.com/IAM/latest/UserGuide/";

/** Keys that a request of STS may carry, and the actions that see them. */
const KEYS_OF = {
  "sts:rolesessionname": ["sts:AssumeRole"],
  "sts:externalid": ["sts:AssumeRole"],
  "sts:sourceidentity": ["sts:AssumeRole", "sts:SetSourceIdentity"],
};

function has(question, key) {
  const of = KEYS_OF[key.toLowerCase()];
  const keys = Object.keys(question.context).map((it) => it.toLowerCase());
  return (!of || of.includes(question.action)) && keys.includes(key.toLowerCase());
}

/** The question with each text of a policy changed. */
function inTexts(question, change) {
  const one = (text) => text && change(text);
  return {
    ...question,
    identity: question.identity.map(change),
    session: question.session.map(change),
    boundary: one(question.boundary),
    resourcePolicy: one(question.resourcePolicy),
  };
}

function withStatements(question, change) {
  const policy = JSON.parse(question.resourcePolicy);
  const resourcePolicy = JSON.stringify({ ...policy, Statement: policy.Statement.flatMap(change) });
  return { ...question, resourcePolicy };
}

/** Says in other words what the document, or here and there the stand-in, makes of it. */
export const REWORDED = [
  {
    name: "0.0.0.0/0 is every IPv4 address, and to the simulator none",
    document: `${UG}reference_policies_elements_condition_operators.html, IP address condition operators`,
    reword: (question) => inTexts(question, (text) => text.replaceAll('"0.0.0.0/0"', '"0.0.0.0/1","128.0.0.0/1"')),
  },
  {
    name: "an IPv6 address is outside of every IPv4 network, so that NotIpAddress holds",
    document: `${UG}reference_policies_elements_condition_operators.html, IP address condition operators`,
    reword(question) {
      const isV6 = (address) => address.includes(":");
      const [ip] = [question.context["aws:SourceIp"] ?? []].flat();
      // The documentation's networks, which nobody asks from.
      const elsewhere = (value) => (isV6(value) === isV6(ip) ? value : isV6(ip) ? "3fff::1" : "203.0.113.7");
      const of = (keys) => ({ ...keys, "aws:SourceIp": [keys["aws:SourceIp"]].flat().map(elsewhere) });
      const change = (key, value) => (key.startsWith("NotIpAddress") ? of(value) : value);
      return ip ? inTexts(question, (text) => JSON.stringify(JSON.parse(text), change)) : question;
    },
  },
  {
    name: "a variable without a value equals nothing, so that negated operators hold",
    document: `${UG}reference_policies_variables.html, Policy variables with no value`,
    reword(question) {
      const value = (all, key) => (has(question, key) ? all : "nobody-at-all");
      return inTexts(question, (text) => text.replaceAll(/\$\{([a-zA-Z:]+)\}/g, value));
    },
  },
  {
    name: "variables are text in policies of version 2008-10-17",
    document: `${UG}reference_policies_variables.html, Note on Version`,
    reword: (question) => inTexts(question, (text) => (text.includes("2008-10-17") ? text.replaceAll("${", "$ {") : text)),
  },
  {
    name: "with a boundary, a Deny for NotPrincipal denies everybody: here the stand-in is the one that does not know",
    document: `${UG}access_policies_boundaries.html, Resource-based policies`,
    async reword(question, ask) {
      // What denies without the boundary too is another matter.
      if (!question.boundary || !question.resourcePolicy || (await ask({ ...question, boundary: null })) === EXPLICIT) {
        return question;
      }
      const nobody = { Principal: { AWS: "999999999999" } };
      return withStatements(question, ({ NotPrincipal, ...it }) => [NotPrincipal ? { ...it, ...nobody } : it]);
    },
  },
];

/** What the simulator would decide if it knew what the document says; undefined where that does not matter. */
export const UNKNOWN_TO_IT = [
  {
    name: "who hands a source identity on needs an own policy for it too",
    document: `${UG}id_credentials_temp_control-access_monitor.html, Permissions required to set source identity`,
    async settle(question, ask, theirs) {
      if (question.action !== "sts:SetSourceIdentity" || !question.principal.includes(":assumed-role/") || theirs !== "Allowed") {
        return undefined;
      }
      // Without a trust policy, the own ones are all that counts.
      return ask({ ...question, resourcePolicy: null });
    },
  },
  {
    name: "a session policy does not limit what a resource's policy grants to the session's ARN or to everybody",
    document: `${UG}access_policies.html, Session policies; ${UG}reference_policies_elements_principal.html, IAM role principals`,
    async settle(question, ask, theirs) {
      if (question.session.length === 0 || !question.resourcePolicy || theirs !== "ImplicitlyDenied") {
        return undefined;
      }
      const names = (it) => [it.Principal?.AWS ?? []].flat().some((name) => name === "*" || name === question.principal);
      const itself = { Principal: { AWS: question.principal } };
      const close = withStatements(question, (it) => (it.Effect === "Deny" ? [it] : names(it) ? [{ ...it, ...itself }] : []));
      return ask({ ...close, session: [], identity: [] });
    },
  },
];
