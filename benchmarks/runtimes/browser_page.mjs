// Answers the cases of one artifact in onnxruntime-web, by wasm or WebGPU as the address says.

import { answer } from "/page/answering.mjs";

const provider = new URLSearchParams(location.search).get("provider");

async function report(state) {
  const body = JSON.stringify(state);
  await fetch("/answers", { method: "POST", body });
}

async function adapterName() {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) return null;
  const { vendor, architecture, description } = adapter.info;
  return [vendor, architecture, description].filter(Boolean).join(" ");
}

async function main() {
  const ort = await import(`/ort/ort.${provider}.min.mjs`);
  ort.env.wasm.wasmPaths = "/ort/";
  ort.env.wasm.numThreads = 1;
  let version = ort.env.versions.web;
  if (provider === "webgpu") {
    const adapter = await adapterName();
    if (adapter === null) {
      const error = "Chromium has no WebGPU adapter on this machine.";
      return report({ version, missing: true, error, done: true });
    }
    version += `, adapter: ${adapter}`;
  }
  const model = new Uint8Array(await (await fetch("/artifact")).arrayBuffer());
  const { cases } = await (await fetch("/cases")).json();
  await answer(ort, model, cases, { executionProviders: [provider] }, version, report);
}

main().catch((error) => report({ loaded: false, error: String(error), done: true }));
