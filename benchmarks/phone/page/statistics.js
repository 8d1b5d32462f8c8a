// What is computed from samples.

export function percentile(values, share) {
  const sorted = Float64Array.from(values).sort();
  const place = (sorted.length - 1) * share;
  const low = Math.floor(place);
  const high = Math.min(low + 1, sorted.length - 1);
  return sorted[low] + (sorted[high] - sorted[low]) * (place - low);
}

export function shuffled(values) {
  const order = [...values];
  for (let last = order.length - 1; last > 0; last -= 1) {
    const other = Math.floor(Math.random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

function argmax(values, start, width) {
  let best = start;
  for (let place = start + 1; place < start + width; place += 1) {
    if (values[place] > values[best]) best = place;
  }
  return best - start;
}

function cosine(one, other) {
  let product = 0;
  let first = 0;
  let second = 0;
  for (let place = 0; place < one.length; place += 1) {
    product += one[place] * other[place];
    first += one[place] ** 2;
    second += other[place] ** 2;
  }
  return product / Math.max(Math.sqrt(first * second), 1e-12);
}

// Compares answers to the golden sentences with those expected; the same as students/exporting/golden.py does.
// Each answer is an object of outputs by name: {data, width}, the width being the last axis.
export function compared(task, expected, actual) {
  let difference = 0;
  let largest = 0;
  let same = 0;
  let told = 0;
  let nearest = 1;
  let regression = false;
  expected.forEach((answers, text) => {
    for (const [name, wanted] of Object.entries(answers)) {
      const output = actual[text][name];
      const flat = wanted.flat(Infinity);
      if (output === undefined || output.data.length !== flat.length) throw new Error(`other outputs than expected: ${name}`);
      for (let place = 0; place < flat.length; place += 1) {
        if (!Number.isFinite(output.data[place])) throw new Error("an answer that is no number");
        difference = Math.max(difference, Math.abs(output.data[place] - flat[place]));
        largest = Math.max(largest, Math.abs(flat[place]));
      }
      regression = task === "classification" && output.width === 1;
      if (task === "embedding") {
        nearest = Math.min(nearest, cosine(flat, output.data));
      } else {
        for (let start = 0; start < flat.length; start += output.width) {
          told += 1;
          same += argmax(flat, start, output.width) === argmax(output.data, start, output.width) ? 1 : 0;
        }
      }
    }
  });
  const agreement = task === "embedding" ? nearest : same / told;
  return {
    texts: expected.length,
    largest_difference: difference,
    relative_difference: difference / Math.max(largest, 1e-12),
    agreement: regression ? null : Math.max(-1, Math.min(1, agreement)),
  };
}
