// The wire: one JSON object a line on standard input, one a line on standard output (conformance/PROTOCOL.md).

import { createInterface } from "node:readline";

export class Unsupported extends Error {} // a problem outside what the program can do

/** Answer every request: `says` is the answer to start, `answers` has a function from a request to an answer. */
export async function serve(says, answers) {
  for await (const line of createInterface({ input: process.stdin })) {
    const request = read(line);
    if (request.cmd === "stop") break;
    process.stdout.write(written(answered(request, says, answers)) + "\n");
  }
  process.stdin.destroy(); // or the program would wait until the pipe is closed
}

function answered(request, says, answers) {
  if (request.cmd === "start") return { protocol: 1, language: "javascript", ...says };
  const { id } = request;
  try {
    check(request, says);
    return { id, ...answers[request.cmd](request) };
  } catch (problem) {
    return { id, [problem instanceof Unsupported ? "unsupported" : "error"]: problem.message };
  }
}

/** Refuse what was not declared: a subject is asked for that only, but it costs nothing to be sure. */
function check({ cmd, dtype, layers, loss }, says) {
  const known = (what, name, names) => {
    if (!names.includes(name)) throw new Unsupported(`${what}: ${name}, expected ${names.join(", ")}`);
  };
  known("command", cmd, says.commands);
  known("dtype", dtype, says.dtypes);
  layers.reduce((inputs, { W, b }) => shaped("W", W, b.length, inputs) && b.length, layers[0].W[0].length);
  known("reduction", loss.reduction, says.reductions);
  const names = layers.map((layer) => layer.activation.name);
  names.slice(0, -1).forEach((name) => known("activation", name, says.activations));
  known("head", `${names.at(-1)} with ${loss.name}`, says.heads.map((head) => head.join(" with ")));
  const { name, reduction, ...parameters } = loss;
  const set = Object.keys(parameters).find((parameter) => Number(parameters[parameter]) !== 0); // [] counts as 0
  if (set) throw new Unsupported(`${name} with ${set} ${parameters[set]}`);
}

/** Whether a list of rows has that shape; an error where it has not. */
export function shaped(name, rows, height, width) {
  if (rows.length === height && rows.every((row) => row.length === width)) return true;
  throw new Error(`${name}: expected ${height} rows of ${width} numbers`);
}

function read(line) {
  try {
    return Object(JSON.parse(line));
  } catch (problem) {
    return {}; // the answer will be an error, without an id
  }
}

/** JavaScript prints each number so that it reads back exactly; of what is not finite JSON has no number. */
const written = (value) => JSON.stringify(value, (_, x) => (typeof x === "number" && !isFinite(x) ? String(x) : x));
