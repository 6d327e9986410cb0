// Answers one JSON request a line with `jose`; its folder of modules is the first argument.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const resolved = createRequire(join(process.argv[2], "x.js")).resolve("jose");
const jose = await import(pathToFileURL(resolved));

const actions = {
  async verify({ token, set, algorithm, audience, issuer, typ }) {
    const keys = jose.createLocalJWKSet(set);
    const { payload } = await jose.jwtVerify(token, keys, { algorithms: [algorithm], audience, issuer, typ });
    return payload;
  },
  async sign({ header, claims, jwk }) {
    return new jose.SignJWT(claims).setProtectedHeader(header).sign(await jose.importJWK(jwk, header.alg));
  },
  async generate({ algorithm }) {
    const { privateKey } = await jose.generateKeyPair(algorithm, { extractable: true });
    return { ...(await jose.exportJWK(privateKey)), alg: algorithm };
  },
  async exportPublic({ jwk }) {
    const { d, p, q, dp, dq, qi, priv, ...members } = await jose.exportJWK(await jose.importJWK(jwk, jwk.alg, { extractable: true }));
    return members;
  },
  async thumbprint({ jwk }) {
    return jose.calculateJwkThumbprint(jwk);
  },
  async supports({ algorithm }) {
    return jose.generateKeyPair(algorithm).then(() => true, () => false);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { action, ...options } = JSON.parse(line);
  const answer = await actions[action](options).then((result) => ({ result }), (error) => ({ error: error.code ?? String(error) }));
  process.stdout.write(JSON.stringify(answer) + "\n");
}
