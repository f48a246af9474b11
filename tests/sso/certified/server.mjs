// A certified provider whose people sign in with any password; told what it is by CONFIG.
import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import { Provider } from "oidc-provider";

const { issuer, port, client, mfa } = JSON.parse(process.env.CONFIG);

function key(kind, kid, alg, options) {
  const { privateKey } = generateKeyPairSync(kind, options);
  return { ...privateKey.export({ format: "jwk" }), kid, alg, use: "sig" };
}

const provider = new Provider(issuer, {
  clients: [{ grant_types: ["authorization_code"], response_types: ["code"], ...client }],
  jwks: {
    keys: [
      key("rsa", "r", "RS256", { modulusLength: 2048 }),
      key("ec", "e", "ES256", { namedCurve: "P-256" }),
      key("ed25519", "o", "EdDSA", {}),
    ],
  },
  enabledJWA: { idTokenSigningAlgValues: ["RS256", "ES256", "EdDSA"] },
  claims: { openid: ["sub", "amr", "acr"], email: ["email", "email_verified"], profile: ["name", "groups"] },
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  cookies: { keys: ["only for tests"] },
  findAccount: (_, sub) => ({
    accountId: sub,
    claims: () => ({
      sub, email: sub, email_verified: true, name: "Grace Hopper", groups: ["keys"],
    }),
  }),
  interactions: { url: (_, interaction) => `/sign-in/${interaction.uid}` },
  async loadExistingGrant(ctx) {
    const grant = new provider.Grant({
      clientId: ctx.oidc.client.clientId, accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope("openid email profile");
    grant.addOIDCClaims(["amr", "acr"]);
    await grant.save();
    return grant;
  },
});

const form = `<!doctype html><html lang="en"><title>Sign in</title><main><h1>The provider</h1>
<form method="post"><label>Account <input name="account"></label> <button>Sign in</button></form></main></html>`;

const own = provider.callback();
createServer(async (request, response) => {
  if (!request.url.startsWith("/sign-in/")) return own(request, response);
  if (request.method === "GET") {
    response.setHeader("Content-Type", "text/html");
    return response.end(form);
  }
  let body = "";
  for await (const piece of request) body += piece;
  const accountId = new URLSearchParams(body).get("account");
  const login = mfa ? { accountId, amr: ["pwd", "mfa"], acr: "urn:mfa" } : { accountId };
  await provider.interactionFinished(request, response, { login });
}).listen(port, "127.0.0.1", () => console.log("ready"));
