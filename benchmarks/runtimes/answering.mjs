// Answers the cases of one artifact with onnxruntime-node or onnxruntime-web.

const ARRAYS = {
  float32: Float32Array,
  float16: globalThis.Float16Array ?? Uint16Array,
  int32: Int32Array,
  int64: BigInt64Array,
};

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function base64Of(array) {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}

function tensors(ort, arrays) {
  const made = ([name, { dtype, shape, data }]) => [
    name,
    new ort.Tensor(dtype, new ARRAYS[dtype](bytesOf(data).buffer), shape),
  ];
  return Object.fromEntries(Object.entries(arrays).map(made));
}

function encoded(results) {
  const made = ([name, { type, dims, data }]) => [
    name,
    { dtype: type, shape: [...dims], data: base64Of(data) },
  ];
  return Object.fromEntries(Object.entries(results).map(made));
}

// Load the model, answer case by case, and report the state before each step and at the end.
export async function answer(ort, model, cases, options, version, report) {
  const state = { version, loaded: false, answers: [], error: "", done: false };
  try {
    const session = await ort.InferenceSession.create(model, options);
    state.loaded = true;
    for (const each of cases) {
      await report(state);
      state.answers.push(encoded(await session.run(tensors(ort, each.inputs))));
    }
  } catch (error) {
    state.error = String(error?.message ?? error);
  }
  await report({ ...state, done: true });
}
