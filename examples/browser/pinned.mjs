// The files that the page loads, each with its SHA-256: another file is not run.

export const PINNED = {
  "digits.onnx": "c0a8e1c4386c9c8723b91571c04a22a9d6091bd5e0116079d5332955d621c107",
  "decisions.json": "ab598c118a87e52928d4d485122a472ae1d22fce23e0060bf7ab7e8ffe705915",
  "onnxruntime-web/ort.wasm.bundle.min.mjs":
    "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
  "onnxruntime-web/ort-wasm-simd-threaded.wasm":
    "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
  "onnxruntime-web/ort.webgpu.bundle.min.mjs":
    "0730816731ce2cdfb06f273da065d4a1c7091eb9d1756a83b2916c8a89d015e2",
  "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm":
    "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
};
