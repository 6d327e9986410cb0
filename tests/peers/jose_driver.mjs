// Looks keys up with jose's createRemoteJWKSet: one JSON object a line in, one out, answers in any order.
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [modules, url] = process.argv.slice(2);
const require = createRequire(pathToFileURL(modules + "/"));
const { createRemoteJWKSet, exportJWK } = await import(pathToFileURL(require.resolve("jose")).href);

// The library reads the clock through Date.now() alone; the caller moves it.
let shift = 0;
const real = Date.now.bind(Date);
Date.now = () => real() + shift;

const keys = createRemoteJWKSet(new URL(url));
const work = {
  async find({ kid }) {
    const key = await keys({ alg: "ES256", kid });
    return { x: (await exportJWK(key)).x };
  },
  async reload() { await keys.reload(); return {}; },
  async advance({ seconds }) { shift += seconds * 1000; return {}; },
  async peak() { return { kib: process.resourceUsage().maxRSS }; },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, op, ...rest } = JSON.parse(line);
  const began = performance.now();
  work[op](rest).then(
    (done) => done,
    (error) => ({ error: error.code ?? error.cause?.code ?? error.name, text: String(error.message) }),
  ).then((done) => console.log(JSON.stringify({ id, ms: performance.now() - began, ...done })));
}
