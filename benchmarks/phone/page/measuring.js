// The measurement: files are opened and checked, then visited in turn, so that whatever else the phone does falls on all.
import { shuffled } from "./statistics.js";

const MOST_SAMPLES_A_VISIT = 5;
const MINUTE_MS = 60000;
const SUSTAINED_LENGTH = 32; // tokens, where they are among the lengths

export class Stopped extends Error {}

class Helper {
  constructor(threads) {
    this.threads = threads;
    this.waiting = new Map();
    this.next = 0;
    this.worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    this.worker.onmessage = ({ data }) => {
      const { resolve, reject } = this.waiting.get(data.id);
      this.waiting.delete(data.id);
      if (data.error === undefined) resolve(data.value);
      else reject(new Error(data.error));
    };
    this.worker.onerror = (event) => {
      const error = new Error(event.message || "the worker could not be started");
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    };
  }

  ask(kind, data = {}, transfer = []) {
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ id, kind, ...data }, transfer);
    });
  }
}

// Threads that this page can have: without isolation one, else those asked for, or as many as there are, up to four.
export function threadsOf(plan, isolated) {
  if (plan.provider === "webgpu" || !isolated) return [1];
  return plan.threads.length ? plan.threads : [Math.max(1, Math.min(4, navigator.hardwareConcurrency ?? 1))];
}

export class Measurement {
  // changed: called with this when there is something new to see; saved: called when there is something to keep.
  constructor(plan, changed, saved) {
    this.plan = plan;
    this.changed = changed;
    this.saved = saved;
    this.files = [];
    this.cells = [];
    this.sustained = null;
    this.timer = 0;
    this.begin = performance.now();
    this.stopping = false;
  }

  stop() {
    this.stopping = true;
  }

  seconds() {
    return (performance.now() - this.begin) / 1000;
  }

  async run() {
    const helpers = await this.helpers();
    try {
      for (const [number, file] of this.plan.files.entries()) {
        this.step(`opening and checking ${file.name}`, number / this.plan.files.length, null);
        this.files.push(await this.opened(helpers, file));
        await this.saved(); // the next file may be the one that the phone has no room for
      }
      const good = this.files.filter(({ failed }) => !failed).map(({ name }) => name);
      if (good.length === 0) throw new Error("no file passed its check here, so there is nothing to time");
      await this.prepare(helpers, good);
      await this.saved();
      await this.rounds();
      if (this.plan.sustained_minutes > 0) await this.busy();
    } finally {
      for (const { worker } of helpers) worker.terminate();
    }
  }

  step(text, share, secondsLeft) {
    if (this.stopping) throw new Stopped();
    this.changed({ text, share, secondsLeft });
  }

  async helpers() {
    const made = threadsOf(this.plan, globalThis.crossOriginIsolated).map((threads) => new Helper(threads));
    for (const helper of made) {
      const { timer } = await helper.ask("init", { provider: this.plan.provider, threads: helper.threads });
      this.timer = Math.max(this.timer, timer);
    }
    return made;
  }

  async opened(helpers, file) {
    const found = { name: file.name, fetch_ms: null, open_ms: null, first_ms: null, golden: null, failed: null };
    try {
      const begin = performance.now();
      const buffer = await fetched(file.url);
      found.fetch_ms = performance.now() - begin;
      if (buffer.byteLength !== file.bytes) throw new Error(`${buffer.byteLength} of ${file.bytes} bytes arrived`);
      const golden = file.golden ? JSON.parse(new TextDecoder().decode(await fetched(file.golden))) : null;
      if (!golden && this.plan.provider === "webgpu") throw new Error("no golden sentences, without which WebGPU is not trusted");
      for (const [number, helper] of helpers.entries()) {
        const copy = number + 1 < helpers.length ? buffer.slice(0) : buffer;
        const { name, inputs, vocabulary } = file;
        const took = await helper.ask("open", { name, inputs, vocabulary, buffer: copy, length: this.plan.lengths[0] }, [copy]);
        if (number === 0) Object.assign(found, took);
        const checked = golden ? await helper.ask("check", { name, golden }) : null;
        if (checked && !Number.isFinite(checked.relative_difference)) throw new Error("some of its answers are no numbers here");
        if (number === 0) found.golden = checked;
        if (checked) found.failed ??= wrong(checked, file.limits);
      }
    } catch (error) {
      found.failed = String(error.message || "it could not be run").slice(0, 400);
    }
    return found;
  }

  async prepare(helpers, names) {
    const { lengths, batch } = this.plan;
    const every = helpers.flatMap((helper) => names.flatMap((name) => lengths.map((length) => ({ helper, name, length }))));
    const begin = performance.now();
    for (const [number, { helper, name, length }] of every.entries()) {
      const warm = number ? (((performance.now() - begin) / number) * (every.length - number)) / 1000 : null;
      const left = warm === null ? null : warm + this.plan.seconds + 60 * this.plan.sustained_minutes;
      this.step(`warming up: ${name} at ${length} tokens`, number / every.length, left);
      const key = `${name} ${length}`;
      const { calls, sample_ms: milliseconds } = await helper.ask("prepare", { key, name, length, batch });
      this.cells.push({ name, length, threads: helper.threads, calls, samples_ms: [], key, helper, milliseconds });
    }
  }

  async rounds() {
    const { rounds, seconds } = this.plan;
    const round = this.cells.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    const samples = Math.max(1, Math.min(MOST_SAMPLES_A_VISIT, Math.floor((1000 * seconds) / (rounds * round)) - 1));
    const visits = rounds * this.cells.length;
    const begin = performance.now();
    for (let number = 0, done = 0; number < rounds; number += 1) {
      for (const cell of shuffled(this.cells)) {
        const left = done ? (((performance.now() - begin) / done) * (visits - done)) / 1000 : (rounds * round * (samples + 1)) / 1000;
        this.step(`round ${number + 1} of ${rounds}`, done / visits, left + 60 * this.plan.sustained_minutes);
        const { found, calls } = await cell.helper.ask("visit", { key: cell.key, samples });
        cell.next = found;
        cell.calls = calls;
        done += 1;
      }
      // All at once, so that what is kept has whole rounds alone.
      for (const cell of this.cells) cell.samples_ms.push(cell.next);
      await this.saved();
    }
  }

  async busy() {
    const names = this.files.filter(({ failed }) => !failed).map(({ name }) => name);
    const { lengths } = this.plan;
    const wanted = lengths.includes(SUSTAINED_LENGTH) ? SUSTAINED_LENGTH : lengths[0];
    const cell = this.cells.findLast(({ name, length }) => name === names.at(-1) && length === wanted);
    this.sustained = { name: cell.name, length: cell.length, threads: cell.threads, minutes: [] };
    for (let minute = 1; minute <= this.plan.sustained_minutes; minute += 1) {
      const left = 60 * (this.plan.sustained_minutes - minute + 1);
      this.step(`kept busy with ${cell.name}: minute ${minute}`, (minute - 1) / this.plan.sustained_minutes, left);
      const found = await cell.helper.ask("sustain", { key: cell.key, milliseconds: MINUTE_MS });
      this.sustained.minutes.push({ minute, ...found });
      await this.saved();
    }
  }

  // What is kept of it, so far.
  result() {
    const cells = this.cells.filter(({ samples_ms: samples }) => samples.length > 0);
    return {
      files: this.files,
      cells: cells.map(({ name, length, threads, calls, samples_ms }) => ({ name, length, threads, calls, samples_ms })),
      sustained: this.sustained,
    };
  }
}

function wrong({ agreement, relative_difference: difference }, limits) {
  if (agreement === null) {
    return difference > limits.difference ? `its answers are off by ${difference.toPrecision(2)} of the largest here` : null;
  }
  return agreement < limits.agreement ? `only ${agreement.toFixed(3)} of its answers are as they should be` : null;
}

async function fetched(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.arrayBuffer();
}
