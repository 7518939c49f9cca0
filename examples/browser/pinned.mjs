// The files that the page loads, each with its SHA-256: another file is not run.

export const PINNED = {
  "digits.onnx": "bd4e609f254ea8c5d5c9f3a90bfc450ce3d4cc527331ba1a7c1f5c7015b58e5b",
  "decisions.json": "a23ec18be4c96a890c15c79919839204844d212c3a8a04d533760239422bc01a",
  "onnxruntime-web/ort.wasm.bundle.min.mjs":
    "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
  "onnxruntime-web/ort-wasm-simd-threaded.wasm":
    "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
  "onnxruntime-web/ort.webgpu.bundle.min.mjs":
    "0730816731ce2cdfb06f273da065d4a1c7091eb9d1756a83b2916c8a89d015e2",
  "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm":
    "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
};
