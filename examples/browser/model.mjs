// Loads the pinned files and asks the model: samples, their mean and spread, and a decision.

import { PINNED } from "./pinned.mjs";
import { rowSeed } from "./row_seeds.mjs";

export const SIDE = 28;
export const CLASSES = 10;

// Return the bytes of a file of this page.
async function fetched(name) {
  if (!crypto.subtle) {
    throw new Error("This browser checks no sums here. Open the page by https, or from localhost.");
  }
  const answer = await fetch(new URL(name, import.meta.url));
  if (!answer.ok) throw new Error(`${name} is not there: ${answer.status} ${answer.statusText}`);
  const bytes = await answer.arrayBuffer();
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const found = Array.from(sum, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (found !== PINNED[name]) {
    throw new Error(`${name} is another file than this page was made with: its SHA-256 is ${found}.`);
  }
  return bytes;
}

const RUNTIMES = {
  wasm: ["ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"],
  webgpu: ["ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm"],
};

// Return whether this browser has a graphics processor for pages.
export async function hasGpu() {
  return Boolean(await navigator.gpu?.requestAdapter());
}

// Return the model: a session of onnxruntime-web, and the decisions for each number of samples.
// provider: "wasm", or "webgpu", which rounds in other places and draws the same masks.
export async function loaded(provider = "wasm") {
  const runtime = RUNTIMES[provider].map((name) => `onnxruntime-web/${name}`);
  const names = ["digits.onnx", "decisions.json", ...runtime];
  const [model, decisions, script, wasm] = await Promise.all(names.map(fetched));
  const address = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const ort = await import(address);
  URL.revokeObjectURL(address);
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = wasm;
  const session = await ort.InferenceSession.create(new Uint8Array(model), {
    executionProviders: [provider],
  });
  return { ort, session, decisions: JSON.parse(new TextDecoder().decode(decisions)) };
}

const sum = (values) => values.reduce((total, each) => total + each, 0);
const entropy = (p) => -sum(p.map((each) => (each > 0 ? each * Math.log(each) : 0)));

// Return what the first `count` samples say: arrays of 10 numbers, entropies in nats.
export function summary(samples, decision) {
  const count = samples.length;
  const digits = Array.from({ length: CLASSES }, (_, digit) => digit);
  const mean = digits.map((digit) => sum(samples.map((each) => each[digit])) / count);
  const std = digits.map((digit) =>
    Math.sqrt(sum(samples.map((each) => (each[digit] - mean[digit]) ** 2)) / count),
  );
  const powers = mean.map((p) => p ** (1 / decision.temperature));
  const calibrated = powers.map((each) => each / sum(powers));
  const total = entropy(mean);
  const digit = mean.indexOf(Math.max(...mean));
  return {
    digit,
    mean,
    std,
    calibrated,
    entropy: total,
    mutualInformation: total - sum(samples.map(entropy)) / count,
    accepted: mean[digit] >= decision.threshold,
  };
}

// Ask for a drawing: an array of 784 numbers from 0 to 1. The samples of one seed are always the same.
export async function asked({ ort, session, decisions }, pixels, seed, count) {
  const image = new ort.Tensor("float32", Float32Array.from(pixels), [1, SIDE, SIDE, 1]);
  const seeds = new ort.Tensor("int64", BigInt64Array.of(rowSeed(seed)), [1]);
  const { digit_samples: found } = await session.run({ image, seed: seeds });
  const samples = Array.from({ length: count }, (_, sample) =>
    Array.from(found.data.subarray(sample * CLASSES, (sample + 1) * CLASSES)),
  );
  return { samples, ...summary(samples, decisions.samples[count]) };
}
