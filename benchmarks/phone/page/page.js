// Says what this page has, measures when told to, and sends what it found to the laptop after every file and round.
import { device, stayAwake } from "./device.js";
import { Measurement, Stopped, threadsOf } from "./measuring.js";
import * as view from "./view.js";

const TRIES = 3;
const isolated = globalThis.crossOriginIsolated === true;
let hidden = 0;
let hiddenSince = null;

document.addEventListener("visibilitychange", () => {
  if (document.hidden) hiddenSince = performance.now();
  else if (hiddenSince !== null) hidden += (performance.now() - hiddenSince) / 1000;
});

async function main() {
  const plan = await (await fetch("plan")).json();
  const facts = await device();
  const threads = threadsOf(plan, isolated);
  view.list("context", context(plan, threads));
  view.files(plan, []);
  const size = plan.files.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6;
  const minutes = Math.ceil((plan.seconds * 1.3 + 20) / 60) + plan.sustained_minutes;
  const words = plan.files.length === 1 ? "The file comes" : `The ${plan.files.length} files (${size.toFixed(0)} MB) come`;
  document.getElementById("what").textContent = `${words} from your laptop, answers are checked here first, and each is timed in turn: about ${minutes} min. Keep this page in front.`;
  const start = document.getElementById("start");
  start.disabled = false;
  start.addEventListener("click", () => void measure(plan, facts));
  if (location.hash === "#start") start.click();
}

function context(plan, threads) {
  const gpu = navigator.gpu !== undefined;
  const items = [
    isSecureContext
      ? { text: "Secure address", note: "threads, the phone's model name and a screen that stays on are possible", good: true }
      : { text: "No secure address", note: "so one thread, no model name, a coarse timer, and the screen may go dark: use --adb or https", good: false },
    isolated
      ? { text: `Isolated page, ${threads.join(" and ")} thread${threads.at(-1) > 1 ? "s" : ""}`, note: "a fine timer", good: true }
      : { text: "Page is not isolated: one thread", note: "the timer moves in steps of about 0.1 ms, so a sample is many calls", good: false },
  ];
  if (plan.provider === "webgpu") {
    items.push(gpu ? { text: "WebGPU", note: "models run on the GPU, and only those that pass their check are timed", good: true }
      : { text: "No WebGPU in this browser", note: "start the measurement without --webgpu", good: false });
  } else {
    items.push({ text: "WebAssembly with SIMD, on the CPU", note: "an app's own runtime is several times as fast: these times are an upper bound", good: true });
  }
  return items;
}

async function measure(plan, facts) {
  view.hide("start");
  view.hide("trouble");
  view.show("stop");
  view.show("work");
  let name;
  try {
    name = (await (await sent("results", "POST", {})).json()).result;
  } catch (error) {
    ended(`The laptop does not answer (${error.message}).`);
    return;
  }
  const lock = await stayAwake();
  const put = (complete) => sent(`results/${name}`, "PUT", record(measurement, plan, facts, complete));
  const measurement = new Measurement(plan, (step) => {
    view.progress(step);
    view.files(plan, measurement.files);
  }, async () => {
    const found = measurement.result();
    view.times(plan, found);
    view.sustained(found.sustained);
    await put(false).catch(() => undefined); // the next one sends all of it again
  });
  document.getElementById("stop").onclick = () => measurement.stop();
  let trouble = null;
  try {
    await measurement.run();
  } catch (error) {
    trouble = error instanceof Stopped ? "Stopped: what was measured so far is kept, and marked." : error.message;
  }
  view.files(plan, measurement.files);
  await lock?.release();
  try {
    await put(trouble === null);
    ended(trouble);
  } catch (error) {
    ended(`${trouble ?? "Measured."} It could not be sent to the laptop (${error.message}).`, () => put(trouble === null));
  }
}

function record(measurement, plan, facts, complete) {
  return {
    schema: plan.schema,
    complete,
    seconds: measurement.seconds(),
    batch: plan.batch,
    device: facts,
    context: {
      secure: isSecureContext,
      isolated,
      timer_ms: measurement.timer,
      hidden_seconds: hidden,
      provider: plan.provider,
      runtime: plan.runtime,
    },
    ...measurement.result(),
  };
}

function ended(trouble, again) {
  view.hide("stop");
  view.progress({ text: trouble ? "" : "Done: the report on your laptop has it.", share: 1, secondsLeft: null });
  if (hidden > 0) view.progress({ text: `This page was in the background for ${hidden.toFixed(0)} s: measure again for better numbers.`, share: 1, secondsLeft: null });
  if (trouble) view.show("trouble", trouble);
  const start = document.getElementById("start");
  const fresh = start.cloneNode(false);
  fresh.textContent = again ? "Send again" : "Measure again";
  fresh.hidden = false;
  fresh.addEventListener("click", async () => {
    if (!again) {
      location.hash = "";
      location.reload();
      return;
    }
    fresh.disabled = true;
    try {
      await again();
      ended(null);
    } catch (error) {
      ended(`It could not be sent (${error.message}).`, again);
    }
  });
  start.replaceWith(fresh);
  document.body.dataset.ended = trouble ? "trouble" : "done";
}

async function sent(url, method, body) {
  for (let turn = 1; ; turn += 1) {
    try {
      const response = await fetch(url, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
      if (!response.ok) throw Object.assign(new Error(await response.text()), { final: true });
      return response;
    } catch (error) {
      if (error.final || turn === TRIES) throw error;
      await new Promise((resolve) => setTimeout(resolve, 1000 * turn));
    }
  }
}

main().catch((error) => view.show("trouble", error.message));
