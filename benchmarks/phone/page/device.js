// What the browser says of itself and of the phone.

const UNKNOWN = "";

export async function device() {
  const hints = navigator.userAgentData;
  let told = {};
  try {
    told = (await hints?.getHighEntropyValues(["model", "platformVersion", "architecture", "fullVersionList"])) ?? {};
  } catch {
    told = {}; // a browser may refuse
  }
  const brand = (told.fullVersionList ?? hints?.brands ?? []).find(({ brand: name }) => !/not.?a.?brand|^chromium$/i.test(name))
    ?? (hints?.brands ?? []).find(({ brand: name }) => /chromium/i.test(name));
  const battery = await charge();
  return {
    user_agent: navigator.userAgent.slice(0, 400),
    browser: (brand ? `${brand.brand} ${brand.version}` : browserOf(navigator.userAgent)).slice(0, 400),
    platform: [hints?.platform ?? navigator.platform ?? UNKNOWN, told.platformVersion, told.architecture].filter(Boolean).join(" ").slice(0, 400),
    model: (told.model ?? UNKNOWN).slice(0, 400),
    cores: navigator.hardwareConcurrency ?? 0,
    memory_gb: navigator.deviceMemory ?? null,
    gpu: (await gpu()).slice(0, 400),
    screen: `${screen.width}×${screen.height} at ${window.devicePixelRatio}`,
    ...battery,
  };
}

function browserOf(agent) {
  const found = agent.match(/(Firefox|FxiOS|CriOS|EdgiOS)\/[\d.]+/) ?? agent.match(/Version\/[\d.]+ .*Safari/);
  return found ? found[0].replace("Version/", "Safari ").split(" Mobile")[0].split(" Safari")[0] : UNKNOWN;
}

async function gpu() {
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    return [adapter?.info?.vendor, adapter?.info?.architecture, adapter?.info?.description].filter(Boolean).join(" ");
  } catch {
    return UNKNOWN;
  }
}

async function charge() {
  try {
    const battery = await navigator.getBattery();
    return { battery: battery.level, charging: battery.charging };
  } catch {
    return { battery: null, charging: null };
  }
}

// Keeps the screen on while it is measured; a phone that locks stops the page.
export async function stayAwake() {
  try {
    return await navigator.wakeLock.request("screen");
  } catch {
    return null;
  }
}
