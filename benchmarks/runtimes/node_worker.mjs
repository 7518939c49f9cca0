// Answers the cases of one artifact in onnxruntime-node: MODULES ARTIFACT CASES ANSWERS.

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

import { answer } from "./answering.mjs";

const [modules, artifact, cases, answers] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const ort = require("onnxruntime-node");
const given = JSON.parse(readFileSync(cases, "utf-8"));
const report = (state) => writeFileSync(answers, JSON.stringify(state));
await answer(ort, artifact, given.cases, {}, ort.env.versions.node, report);
