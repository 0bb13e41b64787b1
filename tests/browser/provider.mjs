// A provider that nobody here wrote (npm `oidc-provider`), with people whose password is anything: for tests, and to try `serve` out.
// `node tests/browser/provider.mjs PORT PORTAL_URL` serves it on this machine until it is interrupted.
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";
import Provider from "oidc-provider";

/** Who there is, by subject. */
const accounts = {
  alice: { name: "Alice Archer", email: "alice@example.com", email_verified: true, groups: ["engineers"] },
  bob: { name: "Bob Baker", email: "bob@example.com", email_verified: true, groups: ["sre-leads"] },
  // Somebody of whose groups the provider says nothing.
  yan: { name: "Yan Young", email: "yan@example.com", email_verified: true },
};

/** The provider at `issuer`, to which the portal at that address is known as `countersign`; without a secret as a public client. */
export function providerFor(issuer, portal, secret) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "countersign",
        ...(secret ? { client_secret: secret } : { token_endpoint_auth_method: "none" }),
        redirect_uris: [`${portal}/sign-in/callback`],
        backchannel_logout_uri: `${portal}/oidc/back-channel-logout`,
        backchannel_logout_session_required: true,
        post_logout_redirect_uris: [],
      },
    ],
    jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "of-this-run", use: "sig", alg: "RS256" }] },
    cookies: { keys: ["of this run"] },
    claims: { openid: ["sub", "groups"], profile: ["name"], email: ["email", "email_verified"] },
    // All that is asked for stands in the ID token.
    conformIdTokenClaims: false,
    // Its own refuses addresses of this machine, as a provider on a network should.
    fetch: (url, { method, headers, body }) => fetch(url, { method, headers, body }),
    features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
    findAccount: (_, id) => accounts[id] && { accountId: id, claims: () => ({ sub: id, ...accounts[id] }) },
  });
  provider.on("backchannel.error", (_, error) => console.error(error));
  return provider;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [port, portal] = process.argv.slice(2);
  if (!port || !portal) {
    console.error("usage: node tests/browser/provider.mjs PORT PORTAL_URL");
    process.exit(2);
  }
  const issuer = `http://127.0.0.1:${port}`;
  const server = createServer(providerFor(issuer, portal).callback());
  server.listen(Number(port), "127.0.0.1", () => {
    console.log(`the provider is at ${issuer}: sign in as ${Object.keys(accounts).join(", ")}, with any password`);
  });
}
