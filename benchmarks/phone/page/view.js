// What is shown.
import { draw } from "./picture.js";
import { percentile } from "./statistics.js";

const ALIKE = 0.001; // less than this, as a share of the largest number, is how one machine differs from another

const byId = (id) => document.getElementById(id);

export function list(place, items) {
  byId(place).replaceChildren(...items.map(({ text, note, good }) => {
    const item = document.createElement("li");
    if (good !== null) item.className = good ? "yes" : "no";
    item.append(text);
    if (note) item.append(Object.assign(document.createElement("small"), { textContent: note }));
    return item;
  }));
}

export function show(id, text) {
  byId(id).hidden = false;
  if (text !== undefined) byId(id).textContent = text;
}

export function hide(id) {
  byId(id).hidden = true;
}

export function progress({ text, share, secondsLeft }) {
  byId("bar").value = share;
  byId("status").textContent = secondsLeft === null ? text : `${text}, ${duration(secondsLeft)} left`;
}

export function duration(seconds) {
  return seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`;
}

export function files(plan, found) {
  list("files", plan.files.map(({ name, bytes }) => {
    const file = found.find((each) => each.name === name);
    const size = `${(bytes / 1e6).toFixed(1)} MB`;
    if (!file) return { text: `${name}, ${size}`, good: null };
    if (file.failed) return { text: `${name}, ${size}`, note: `not timed: ${file.failed}`, good: false };
    return { text: `${name}, ${size}`, note: `${answers(file.golden)}; opened in ${file.open_ms.toFixed(0)} ms`, good: true };
  }));
}

function answers(golden) {
  if (!golden) return "no golden sentences beside it, so its answers are not checked";
  const { agreement, relative_difference: difference } = golden;
  const alike = difference < ALIKE;
  if (alike && (agreement === null || agreement > 1 - ALIKE)) return "answers as on the laptop";
  const off = `off by up to ${(100 * difference).toFixed(1)} % of the largest`;
  return agreement === null ? `answers ${off}` : `${(100 * agreement).toFixed(1)} % of answers as PyTorch's, ${off}`;
}

export function times(plan, { cells }) {
  if (cells.length === 0) return;
  show("times");
  const rows = cells.map(({ name, length, threads, samples_ms: samples }) => {
    const every = samples.flat();
    const [p50, p90, p99] = [0.5, 0.9, 0.99].map((share) => percentile(every, share));
    return { name, length, threads, p50, p90, p99 };
  });
  const several = new Set(rows.map(({ threads }) => threads)).size > 1;
  const names = [...new Set(rows.map(({ name }) => name))];
  const most = Math.max(...rows.map(({ threads }) => threads));
  const colour = (name) => names.indexOf(name) % 4;
  const drawn = rows.filter(({ threads }) => threads === most);
  draw(byId("picture"), names.map((name) => ({ colour: colour(name), points: drawn.filter((row) => row.name === name) })));
  const calls = Math.max(...cells.map(({ calls: number }) => number));
  const sample = calls > 1 ? ` A sample is the mean of up to ${calls} calls, so that this browser's timer can tell it.` : "";
  byId("caption").textContent = `p50, and up to p90; ${most} thread${most > 1 ? "s" : ""}, batch ${plan.batch}.${sample}`;
  const groups = [...new Set(rows.map(({ threads, length }) => `${length} tokens${several ? `, ${threads} threads` : ""}`))];
  byId("table").tBodies[0].replaceChildren(...groups.flatMap((group) => {
    const own = rows.filter(({ threads, length }) => group === `${length} tokens${several ? `, ${threads} threads` : ""}`);
    return [heading(group), ...own.map((row) => line(row, own[0], colour(row.name)))];
  }));
}

function heading(text) {
  const row = document.createElement("tr");
  const cell = Object.assign(document.createElement("th"), { colSpan: 5, textContent: text, className: "group" });
  row.append(cell);
  return row;
}

function line(row, first, colour) {
  const made = document.createElement("tr");
  const name = Object.assign(document.createElement("th"), { scope: "row" });
  const mark = Object.assign(document.createElement("span"), { className: `mark c${colour}` });
  name.append(mark, row.name);
  const speed = row === first ? "1" : `${(first.p50 / row.p50).toFixed(2)}×`;
  const cells = [row.p50, row.p90, row.p99].map((value) => (value < 10 ? value.toFixed(2) : value.toFixed(1)));
  made.append(name, ...[...cells, speed].map((text) => Object.assign(document.createElement("td"), { textContent: text })));
  return made;
}

export function sustained(found) {
  if (!found) return;
  show("sustained");
  byId("busy").textContent = `${found.name} at ${found.length} tokens, ${found.threads} thread(s), without a pause.`;
  byId("minutes").replaceChildren(...found.minutes.map(({ minute, calls, p50_ms: p50, p90_ms: p90 }) => {
    const row = document.createElement("tr");
    row.append(...[`${minute}`, `${calls}`, p50.toFixed(2), p90.toFixed(2)].map((text) => Object.assign(document.createElement("td"), { textContent: text })));
    return row;
  }));
}
