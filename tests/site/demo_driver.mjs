// Draws a digit in the demo by pointer events, asks for three seeds, opens their links and reports.
const frame = document.getElementById("frame");
frame.style.width = "900px";
const report = { answers: [], again: [], errors: [], refused: "" };
const STROKES = [
  [[90, 70], [120, 50], [160, 50], [185, 75], [175, 105], [145, 130], [120, 135]],
  [[120, 135], [160, 140], [190, 165], [190, 200], [160, 225], [120, 225], [90, 205]],
];

const within = (promise, what) =>
  Promise.race([
    promise,
    new Promise((_, fail) => setTimeout(() => fail(new Error(`waited in vain for ${what}`)), 60000)),
  ]);
const answered = () =>
  within(
    new Promise((done) =>
      frame.contentWindow.addEventListener("answered", (event) => done(event.detail), { once: true }),
    ),
    "an answer",
  );
const plain = (found) => ({ ...found, seed: String(found.seed), strokes: undefined });

async function open(address) {
  frame.src = "about:blank";
  await new Promise((done) => setTimeout(done, 100));
  const done = new Promise((ready) => frame.addEventListener("load", ready, { once: true }));
  frame.src = address;
  await done;
  const inside = frame.contentWindow;
  for (const kind of ["error", "unhandledrejection"]) {
    inside.addEventListener(kind, (event) => report.errors.push(String(event.message ?? event.reason)));
  }
}

function draw() {
  const pad = frame.contentDocument.getElementById("pad");
  const box = pad.getBoundingClientRect();
  const send = (kind, [x, y], buttons) =>
    pad.dispatchEvent(
      new PointerEvent(kind, {
        clientX: box.left + (x * box.width) / 280,
        clientY: box.top + (y * box.height) / 280,
        buttons,
        bubbles: true,
      }),
    );
  for (const stroke of STROKES) {
    send("pointerdown", stroke[0], 1);
    for (const point of stroke.slice(1)) send("pointermove", point, 1);
    send("pointerup", stroke.at(-1), 0);
  }
}

function set(name, value) {
  const field = frame.contentDocument.getElementById(name);
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

const text = (name) => frame.contentDocument.getElementById(name).textContent;

async function until(what, test) {
  const start = performance.now();
  while (!test()) {
    if (performance.now() - start > 60000) throw new Error(`waited in vain for ${what}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

async function walk() {
  await open("/browser/index.html");
  await until("the model", () => text("decision") === "Draw a digit.");
  draw();
  await until("the first answer", () => /a 3/.test(text("decision")));
  for (const [seed, place] of [["7", 3], ["-1", 0], ["9223372036854775807", 4]]) {
    const next = answered();
    set("samples", String(place));
    await next;
    const asked = answered();
    set("seed", seed);
    const found = await asked;
    report.answers.push({ ...plain(found), decision: text("decision") });
    report.links = [...(report.links ?? []), frame.contentDocument.getElementById("link").href];
  }
  for (const link of report.links) {
    await open(link);
    report.again.push(plain(await answered()));
  }
}

// Where Chromium has an adapter for WebGPU, ask once more there.
async function walkOnGpu() {
  await until("the choice of WebGPU", () => !frame.contentDocument.getElementById("gpu").hidden);
  const next = answered();
  frame.contentDocument.getElementById("webgpu").click();
  report.gpu = plain(await next);
}

try {
  await walk();
  report.requests = frame.contentWindow.performance.getEntriesByType("resource").map((x) => x.name);
  report.adapter = Boolean(await navigator.gpu?.requestAdapter());
  await new Promise((done) => setTimeout(done, 500));
  report.offered = !frame.contentDocument.getElementById("gpu").hidden;
  if (report.adapter) await walkOnGpu();
} catch (error) {
  report.failed = String(error.stack ?? error);
  report.decision = frame.contentDocument?.getElementById("decision")?.textContent;
}
await fetch("/", { method: "POST", body: JSON.stringify(report) });
