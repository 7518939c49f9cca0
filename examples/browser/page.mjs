// The page: takes strokes by pointer, asks the model and shows what it says; a link keeps all of it.

import { CLASSES, SIDE, asked, hasGpu, loaded } from "./model.mjs";
import { pixelsFrom, pixelsOf, textOf } from "./drawing.mjs";

const COUNTS = [4, 8, 16, 32, 64];
const EXAMPLE = [
  [[90, 70], [120, 50], [160, 50], [185, 75], [175, 105], [145, 130], [120, 135]],
  [[120, 135], [160, 140], [190, 165], [190, 200], [160, 225], [120, 225], [90, 205]],
]; // a 3
const named = (name) => document.getElementById(name);
const pad = named("pad").getContext("2d");
const state = { strokes: [], pixels: pixelsOf([]), seed: 7n, count: 32 };
let model = null;
let asking = Promise.resolve();

function showDrawing() {
  const size = pad.canvas.width / SIDE;
  pad.clearRect(0, 0, pad.canvas.width, pad.canvas.height);
  state.pixels.forEach((ink, place) => {
    pad.fillStyle = `rgba(255, 255, 255, ${ink})`;
    pad.fillRect((place % SIDE) * size, Math.floor(place / SIDE) * size, size, size);
  });
}

function showStrokes() {
  pad.clearRect(0, 0, pad.canvas.width, pad.canvas.height);
  Object.assign(pad, { strokeStyle: "white", lineWidth: 18, lineCap: "round", lineJoin: "round" });
  for (const [first, ...rest] of state.strokes) {
    pad.beginPath();
    pad.moveTo(...first);
    for (const point of rest.length ? rest : [first]) pad.lineTo(...point);
    pad.stroke();
  }
}

function bar(values, mean) {
  const line = (kind, x) => `<line class="${kind}" x1="${x}" x2="${x}" y1="0" y2="10"/>`;
  const marks = values.map((value) => line("sample", 1 + 98 * value)).join("");
  return `<svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">${marks}${line(
    "mean",
    1 + 98 * mean,
  )}</svg>`;
}

function show(found) {
  const rows = Array.from({ length: CLASSES }, (_, digit) => {
    const marks = bar(found.samples.map((each) => each[digit]), found.mean[digit]);
    const numbers = [found.mean, found.std, found.calibrated].map((each) => each[digit].toFixed(3));
    const cells = [marks, ...numbers].map((each) => `<td>${each}</td>`).join("");
    const kind = digit === found.digit ? ' class="first"' : "";
    return `<tr${kind}><th scope="row">${digit}</th>${cells}</tr>`;
  });
  named("digits").tBodies[0].innerHTML = rows.join("");
  named("information").textContent = `${found.mutualInformation.toFixed(3)} nats`;
  named("entropy").textContent = `${found.entropy.toFixed(3)} nats`;
  const sure = `${(100 * found.calibrated[found.digit]).toFixed(1)} %`;
  named("decision").className = found.accepted ? "accepted" : "human";
  named("decision").textContent = found.accepted
    ? `Accepted: it is a ${found.digit} (${sure}).`
    : `For a human: perhaps a ${found.digit} (${sure}).`;
}

function showLink() {
  const link = new URL(location.href);
  const drawing = textOf(state.pixels);
  link.hash = new URLSearchParams({ seed: state.seed, samples: state.count, drawing }).toString();
  named("link").href = link;
}

async function answer() {
  if (!model) return;
  showLink();
  if (!state.pixels.some((ink) => ink > 0)) {
    named("decision").className = "";
    named("decision").textContent = "Draw a digit.";
    return;
  }
  // One question at a time: a session runs no two.
  asking = asking.then(() => asked(model, state.pixels, state.seed, state.count));
  const found = await asking;
  show(found);
  window.dispatchEvent(new CustomEvent("answered", { detail: { ...found, ...state } }));
}

function failed(error) {
  asking = Promise.resolve();
  named("decision").className = "failed";
  named("decision").textContent = `This does not work here: ${error.message}`;
}

const ask = () => answer().catch(failed);

function place(event) {
  const box = pad.canvas.getBoundingClientRect();
  const scale = pad.canvas.width / box.width;
  return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
}

function setDrawing(strokes) {
  state.strokes = strokes;
  state.pixels = pixelsOf(strokes);
  ask();
}

function readLink() {
  const given = new URLSearchParams(location.hash.slice(1));
  if (/^-?\d{1,19}$/.test(given.get("seed") ?? "")) state.seed = BigInt(given.get("seed"));
  if (COUNTS.includes(Number(given.get("samples")))) state.count = Number(given.get("samples"));
  state.pixels = pixelsFrom(given.get("drawing") ?? "") ?? state.pixels;
  state.strokes = [];
  named("seed").value = state.seed;
  named("samples").value = COUNTS.indexOf(state.count);
  named("count").value = state.count;
  showDrawing();
  ask();
}

pad.canvas.addEventListener("pointerdown", (event) => {
  if (event.isTrusted) pad.canvas.setPointerCapture(event.pointerId);
  state.strokes.push([place(event)]);
  showStrokes();
});
pad.canvas.addEventListener("pointermove", (event) => {
  if (!event.buttons || !state.strokes.length) return;
  state.strokes.at(-1).push(place(event));
  showStrokes();
});
pad.canvas.addEventListener("pointerup", () => setDrawing(state.strokes));
named("clear").addEventListener("click", () => {
  setDrawing([]);
  showStrokes();
  named("digits").tBodies[0].innerHTML = "";
});
named("example").addEventListener("click", () => {
  setDrawing(structuredClone(EXAMPLE));
  showStrokes();
});
named("samples").addEventListener("input", (event) => {
  state.count = COUNTS[Number(event.target.value)];
  named("count").value = state.count;
  ask();
});
named("seed").addEventListener("input", (event) => {
  if (!/^-?\d{1,19}$/.test(event.target.value)) return;
  state.seed = BigInt(event.target.value);
  ask();
});
named("webgpu").addEventListener("change", (event) => load(event.target.checked));
window.addEventListener("hashchange", readLink);

async function load(gpu) {
  named("decision").className = "";
  named("decision").textContent = `Loading the model, ${gpu ? 27 : 14} MB …`;
  try {
    model = await loaded(gpu ? "webgpu" : "wasm");
    await answer();
  } catch (error) {
    failed(error);
  }
}

readLink();
await load(false);
named("gpu").hidden = !(await hasGpu());
