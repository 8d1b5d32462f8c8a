// Latency by length as a picture: a line a file, with the spread up to the 90th percentile.

const SPACE = "http://www.w3.org/2000/svg";
const WIDTH = 360;
const HEIGHT = 220;
const EDGE = { left: 44, right: 12, top: 10, bottom: 34 };

export function draw(place, series) {
  const points = series.flatMap(({ points: own }) => own);
  const lengths = [...new Set(points.map(({ length }) => length))].sort((one, other) => one - other);
  const low = Math.min(...points.map(({ p50 }) => p50)) / 1.4;
  const high = Math.max(...points.map(({ p90 }) => p90)) * 1.4;
  const across = (length) =>
    EDGE.left + ((lengths.indexOf(length) + 0.5) / lengths.length) * (WIDTH - EDGE.left - EDGE.right);
  const up = (value) =>
    HEIGHT - EDGE.bottom - (Math.log(value / low) / Math.log(high / low)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const picture = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "picture", role: "img" });
  picture.setAttribute("aria-label", "milliseconds a call by tokens a text, both on logarithmic scales");
  for (const value of ticks(low, high)) {
    picture.append(element("line", { class: "grid", x1: EDGE.left, x2: WIDTH - EDGE.right, y1: up(value), y2: up(value) }));
    picture.append(text(`${value}`, EDGE.left - 6, up(value) + 4, "end"));
  }
  for (const length of lengths) picture.append(text(`${length}`, across(length), HEIGHT - EDGE.bottom + 16, "middle"));
  picture.append(text("tokens", (WIDTH + EDGE.left - EDGE.right) / 2, HEIGHT - 4, "middle"));
  picture.append(text("ms", EDGE.left - 6, EDGE.top + 2, "end"));
  series.forEach(({ points: own, colour }) => {
    const at = own.map(({ length, p50 }) => `${across(length)},${up(p50)}`);
    picture.append(element("polyline", { class: `line c${colour}`, points: at.join(" ") }));
    for (const { length, p50, p90 } of own) {
      const x = across(length);
      picture.append(element("line", { class: `spread c${colour}`, x1: x, x2: x, y1: up(p50), y2: up(p90) }));
      picture.append(element("circle", { class: `c${colour}`, cx: x, cy: up(p50), r: 3.5 }));
    }
  });
  place.replaceChildren(picture);
}

function ticks(low, high) {
  const found = [];
  for (let power = -3; power < 6; power += 1) {
    for (const base of [1, 2, 5]) {
      const value = Number((base * 10 ** power).toPrecision(1));
      if (value >= low && value <= high) found.push(value);
    }
  }
  return found;
}

function element(name, attributes) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function text(words, x, y, anchor) {
  const made = element("text", { x, y, "text-anchor": anchor });
  made.textContent = words;
  return made;
}
