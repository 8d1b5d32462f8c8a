// Opens, checks and times models, one message at a time. A worker has one number of threads for its whole life, since the
// runtime can't change it.
import { compared, percentile } from "./statistics.js";

const WARM_UP_CALLS = 3;
const WARM_UP_MS = 100;
const MOST_CALLS = 100000;
const SHORTEST_SAMPLE_MS = 5;
const TIMER_STEPS = 100; // a sample lasts so many steps of the timer, which bounds its error at one in a hundred

let ort;
let provider;
let timer;
const sessions = new Map();
const cells = new Map();

const work = {
  async init({ provider: wanted, threads }) {
    provider = wanted;
    ort = await import(wanted === "webgpu" ? "../runtime/ort.webgpu.min.mjs" : "../runtime/ort.wasm.min.mjs");
    ort.env.logLevel = "error";
    ort.env.wasm.wasmPaths = new URL("../runtime/", import.meta.url).href;
    ort.env.wasm.numThreads = threads;
    timer = timerStep();
    return { timer, version: ort.env.versions.web ?? ort.env.versions.common };
  },

  async open({ name, buffer, inputs, vocabulary, length }) {
    const begin = performance.now();
    const session = await ort.InferenceSession.create(new Uint8Array(buffer), { executionProviders: [provider] });
    const opened = performance.now() - begin;
    sessions.set(name, { session, inputs, vocabulary });
    const feed = random(inputs, vocabulary, length, 1);
    const start = performance.now();
    await session.run(feed);
    return { open_ms: opened, first_ms: performance.now() - start };
  },

  async check({ name, golden }) {
    const { session, inputs } = sessions.get(name);
    const answers = [];
    for (const encoding of golden.encodings) {
      const found = await session.run(given(inputs, encoding));
      answers.push(Object.fromEntries(Object.entries(found).map(([key, tensor]) => [key, plain(tensor)])));
    }
    return compared(golden.task, golden.expected, answers);
  },

  async prepare({ key, name, length, batch }) {
    const { session, inputs, vocabulary } = sessions.get(name);
    const cell = { session, feed: random(inputs, vocabulary, length, batch), calls: 1 };
    // Long enough for the browser to compile the code a second time, after which it is several times as fast.
    const warm = performance.now() + WARM_UP_MS;
    for (let call = 0; call < WARM_UP_CALLS || performance.now() < warm; call += 1) await cell.session.run(cell.feed);
    let taken = await fastest(cell);
    while (lengthened(cell, taken)) taken = await fastest(cell);
    cells.set(key, cell);
    return { calls: cell.calls, sample_ms: taken * cell.calls };
  },

  async visit({ key, samples }) {
    const cell = cells.get(key);
    lengthened(cell, await sample(cell)); // does not count: what ran before had the caches
    const found = [];
    for (let number = 0; number < samples; number += 1) found.push(await sample(cell));
    return { found, calls: cell.calls };
  },

  async sustain({ key, milliseconds }) {
    const cell = cells.get(key);
    const found = [];
    const end = performance.now() + milliseconds;
    while (performance.now() < end) found.push(await sample(cell));
    return { calls: found.length * cell.calls, p50_ms: percentile(found, 0.5), p90_ms: percentile(found, 0.9) };
  },
};

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ id: data.id, value: await work[data.kind](data) });
  } catch (error) {
    self.postMessage({ id: data.id, error: String(error?.message ?? error).split("\n")[0].slice(0, 300) });
  }
};

// Gives a sample more calls where the timer's steps would show in it; says whether it did.
function lengthened(cell, taken) {
  const least = Math.max(SHORTEST_SAMPLE_MS, TIMER_STEPS * timer);
  if (taken * cell.calls >= least || cell.calls >= MOST_CALLS) return false;
  const wanted = taken > 0 ? Math.ceil(least / taken) : 2 * cell.calls;
  cell.calls = Math.min(MOST_CALLS, 16 * cell.calls, Math.max(cell.calls + 1, wanted));
  return true;
}

async function fastest(cell) {
  const found = [];
  for (let number = 0; number < WARM_UP_CALLS; number += 1) found.push(await sample(cell));
  return Math.min(...found);
}

async function sample(cell) {
  const begin = performance.now();
  for (let call = 0; call < cell.calls; call += 1) await cell.session.run(cell.feed);
  return (performance.now() - begin) / cell.calls;
}

function timerStep() {
  let least = Infinity;
  for (let change = 0; change < 20; change += 1) {
    const begin = performance.now();
    let now = begin;
    while (now === begin) now = performance.now();
    least = Math.min(least, now - begin);
  }
  return least;
}

function random(inputs, vocabulary, length, batch) {
  let state = 1;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const ids = Array.from({ length: length * batch }, () => Math.floor(next() * vocabulary));
  return given(inputs, { input_ids: ids }, batch);
}

function given(inputs, encoding, batch = 1) {
  const size = encoding.input_ids.length;
  const otherwise = { attention_mask: 1n, token_type_ids: 0n };
  const feeds = inputs.map((name) => {
    const values = encoding[name] ? BigInt64Array.from(encoding[name], BigInt) : new BigInt64Array(size).fill(otherwise[name]);
    return [name, new ort.Tensor("int64", values, [batch, size / batch])];
  });
  return Object.fromEntries(feeds);
}

function plain(tensor) {
  return { data: tensor.data, width: tensor.dims.at(-1) };
}
