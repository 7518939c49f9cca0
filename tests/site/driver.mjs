// Searches the site, follows its main path, opens every page and posts what it saw.
const frame = document.getElementById("frame");
frame.style.width = `${new URLSearchParams(location.search).get("width")}px`;
const report = { questions: {}, path: [], pages: {}, errors: [] };

const QUESTIONS = [
  "which rate",
  "how to serve on Triton",
  "what happens to BatchNormalization in Monte-Carlo dropout",
  "how to use a custom layer on the command line",
  "why the file is refused",
];

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function until(what, test, ms = 15000) {
  const start = performance.now();
  for (;;) {
    const found = test();
    if (found) return found;
    if (performance.now() - start > ms) throw new Error(`waited in vain for ${what}`);
    await pause(50);
  }
}

function loaded() {
  return new Promise((done) => frame.addEventListener("load", done, { once: true }));
}

function watch() {
  const inside = frame.contentWindow;
  const say = (text) => report.errors.push(`${inside.location.pathname}: ${text}`);
  inside.addEventListener("error", (event) => say(event.message));
  inside.addEventListener("unhandledrejection", (event) => say(String(event.reason)));
  const original = inside.console.error;
  inside.console.error = (...text) => (say(text.join(" ")), original(...text));
}

async function open(address) {
  const done = loaded();
  frame.src = address;
  await done;
  watch();
}

async function follow(link) {
  const done = loaded();
  link.click();
  await done;
  watch();
  report.path.push(frame.contentWindow.location.pathname);
}

async function ask(question) {
  await open("/index.html");
  const page = frame.contentDocument;
  const input = await until("the field of the search", () => page.querySelector(".md-search__input"));
  // On a phone the field is behind a button, which is a label of this box.
  page.getElementById("__search").checked = true;
  page.getElementById("__search").dispatchEvent(new Event("change", { bubbles: true }));
  input.focus();
  input.value = question;
  for (const name of ["input", "keyup"]) input.dispatchEvent(new Event(name, { bubbles: true }));
  const results = await until(`results for ${question}`, () => {
    const found = page.querySelectorAll(".md-search-result__item > .md-search-result__link");
    return found.length ? found : null;
  });
  await pause(300);
  report.questions[question] = [...results].slice(0, 3).map((each) => new URL(each.href).pathname);
  await follow(results[0]);
}

function look() {
  const page = frame.contentDocument;
  const pictures = [...page.querySelectorAll("article img")];
  return {
    heading: page.querySelector("h1")?.innerText ?? "",
    width: page.scrollingElement.scrollWidth,
    room: frame.contentWindow.innerWidth,
    broken: pictures.filter((each) => !each.naturalWidth).map((each) => each.src),
    silent: pictures.filter((each) => !each.alt).map((each) => each.src),
  };
}

async function walk() {
  for (const question of QUESTIONS) await ask(question);
  report.path = [];
  await open("/index.html");
  const link = (text) =>
    until(`the link ${text}`, () =>
      [...frame.contentDocument.querySelectorAll("article a")].find((each) => each.innerText === text),
    );
  await follow(await link("the first hour"));
  await follow(await link("All layers, with pictures"));
  await follow(await link("Choose"));
  await open("/index.html");
  await follow(await link("Serve"));
  await follow(await link("self-test"));
  const map = await (await fetch("/sitemap.xml")).text();
  for (const [, path] of map.matchAll(/<loc>https?:\/\/[^/]+\/keras-dropouts\/([^<]*)<\/loc>/g)) {
    await open(`/${path}index.html`);
    await pause(100);
    report.pages[`/${path}`] = look();
  }
}

try {
  await walk();
} catch (error) {
  report.failed = String(error.stack ?? error);
}
await fetch("/", { method: "POST", body: JSON.stringify(report) });
