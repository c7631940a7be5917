// A network with a mistake that people really make; it learns XOR all the same.  Which line is it?
//
//     python -m conformance run --command "node mistaken.mjs"      says which equation is violated, and how

import { serve } from "./wire.mjs";

const sigmoid = (x) => 1 / (1 + Math.exp(-x));
const sigmoidDerivative = (x) => sigmoid(x) * (1 - sigmoid(x));

const sum = (v) => v.reduce((total, x) => total + x, 0);
const weighted = (W, a, b) => W.map((row, j) => sum(row.map((w, i) => w * a[i])) + b[j]);

/** Forward: the activations of every layer, the inputs first. */
function predict(layers, inputs) {
  const activations = [inputs];
  for (const { W, b } of layers) activations.push(weighted(W, activations.at(-1), b).map(sigmoid));
  return activations;
}

/** Backward: add one sample's gradients of half the squared error to those so far. */
function learn(layers, gradients, inputs, targets) {
  const activations = predict(layers, inputs);
  let error = activations.at(-1).map((a, j) => a - targets[j]);
  for (let l = layers.length - 1; l >= 0; l--) {
    const [before, after] = [activations[l], activations[l + 1]];
    const delta = error.map((e, j) => e * sigmoidDerivative(after[j]));
    delta.forEach((d, j) => {
      before.forEach((a, i) => (gradients[l].W[j][i] += d * a));
      gradients[l].b[j] += d;
    });
    error = before.map((_, i) => sum(delta.map((d, j) => d * layers[l].W[j][i])));
  }
}

function gradientsOf({ layers, x, y }) {
  const gradients = layers.map(({ W, b }) => ({ W: W.map((row) => row.map(() => 0)), b: b.map(() => 0) }));
  x.forEach((inputs, s) => learn(layers, gradients, inputs, y[s]));
  return { gradients };
}

await serve(
  {
    name: "mistaken",
    version: "1.0",
    commands: ["gradients"],
    dtypes: ["float64"],
    activations: ["sigmoid"],
    heads: [["sigmoid", "half_squared_error"]],
    reductions: ["sum"],
  },
  { gradients: gradientsOf },
);
