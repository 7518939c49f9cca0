// Runs the JavaScript of docs/self_test.md in onnxruntime-node: MODULES SELF_TEST FILE [WRONG].

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [modules, code, file, wrong] = process.argv.slice(2);
const ort = createRequire(`${modules}/`)("onnxruntime-node");
const { tested } = await import(code);

// A runtime that computes seeds in 32 bits, as there are some.
class In32Bits extends ort.Tensor {
  constructor(type, data, dims) {
    super(type, type === "int64" ? data.map((x) => BigInt.asIntN(32, x)) : data, dims);
  }
}

try {
  const runtime = { Tensor: wrong ? In32Bits : ort.Tensor, InferenceSession: ort.InferenceSession };
  await tested(runtime, readFileSync(file));
  console.log("passed");
} catch (error) {
  console.log(error.message);
}
