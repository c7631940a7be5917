// A network with its backpropagation written by hand: the labels are those of reference/EQUATIONS.md.
//
//     node mynet.mjs      answers the wire protocol (conformance/PROTOCOL.md)

import { serve, shaped, Unsupported } from "./wire.mjs";

// A matrix is a list of rows; of x, y, z, a, g and delta each row is a sample.

const sum = (v) => v.reduce((total, x) => total + x, 0);
const dot = (u, v) => u.reduce((total, x, i) => total + x * v[i], 0);
const transpose = (A) => A[0].map((_, j) => A.map((row) => row[j]));
const product = (A, B) => {
  const columns = transpose(B);
  return A.map((row) => columns.map((column) => dot(row, column)));
};
const each = (f, A, ...others) => A.map((row, s) => row.map((x, k) => f(x, ...others.map((B) => B[s][k]))));

// Activations: sigma(z) and sigma'(z), which may be told by z or by a = sigma(z).

const ACTIVATIONS = {
  identity: { value: (z) => z, slope: () => 1 }, //                                     (A1), (D1)
  sigmoid: { value: (z) => sigmoid(z), slope: (z, a) => a * (1 - a) }, //               (A2), (D2)
  tanh: { value: (z) => Math.tanh(z), slope: (z, a) => 1 - a * a }, //                  (A3), (D3)
  relu: { value: (z) => (z > 0 ? z : 0), slope: (z) => (z > 0 ? 1 : 0) }, //            (A4), (D4)
  leaky_relu: {
    value: (z, { negative_slope }) => (z > 0 ? z : negative_slope * z), //              (A5)
    slope: (z, a, { negative_slope }) => (z > 0 ? 1 : negative_slope), //               (D5)
  },
};

const sigmoid = (z) => (z > 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z))); // never exp of much
const softplus = (z) => Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))); // log(1 + e^z)
const largest = (z) => z.reduce((most, x) => Math.max(most, x), -Infinity);
const exponentials = (z) => {
  const most = largest(z);
  return z.map((x) => Math.exp(x - most)); // 1 at most
};
const softmax = (z) => {
  const e = exponentials(z);
  const total = sum(e);
  return e.map((x) => x / total); //                                                    (A8)
};
const logSumExp = (z) => largest(z) + Math.log(sum(exponentials(z)));

// Losses of one sample with outputs a and targets y, and their gradients by a.

const LOSSES = {
  half_squared_error: {
    value: (a, y) => sum(a.map((_, k) => (a[k] - y[k]) ** 2)) / 2, //                    (L1)
    gradient: (a, y) => a.map((_, k) => a[k] - y[k]), //                                 (G1)
  },
  mean_squared_error: {
    value: (a, y) => sum(a.map((_, k) => (a[k] - y[k]) ** 2)) / a.length, //             (L2)
    gradient: (a, y) => a.map((_, k) => (2 * (a[k] - y[k])) / a.length), //              (G2)
  },
  cross_entropy_with_logits: {
    value: (a, y) => {
      const all = logSumExp(a);
      return sum(a.map((_, k) => (y[k] === 0 ? 0 : y[k] * (all - a[k])))); //            (L4)
    },
    gradient: (a, y) => {
      const total = sum(y);
      return softmax(a).map((p, k) => p * total - y[k]); //                              (G4)
    },
  },
  binary_cross_entropy_with_logits: {
    value: (a, y) => sum(a.map((_, k) => y[k] * softplus(-a[k]) + (1 - y[k]) * softplus(a[k]))), // (L6)
    gradient: (a, y) => a.map((_, k) => sigmoid(a[k]) - y[k]), //                        (G6)
  },
};

// Heads whose delta is evaluated at once: their loss is one of z.
const FUSED = {
  "softmax cross_entropy": "cross_entropy_with_logits", //                               (H1)
  "sigmoid binary_cross_entropy": "binary_cross_entropy_with_logits", //                 (H2)
};

/** z and a of each layer, from the first to the last. */
function forward(layers, x) {
  const steps = [];
  let a = x;
  for (const { W, b, activation } of layers) {
    const aPrev = a;
    const z = product(aPrev, transpose(W)).map((row) => row.map((Wa, j) => Wa + b[j])); // (F1)  z = W a_prev + b
    a = activation.name === "softmax" ? z.map(softmax) : each(activationOf(activation).value, z); // (F2)
    steps.push({ aPrev, z, a });
  }
  return steps;
}

function activationOf({ name, ...parameters }) {
  const { value, slope } = ACTIVATIONS[name];
  return { value: (z) => value(z, parameters), slope: (z, a) => slope(z, a, parameters) };
}

/** The loss of a batch and its gradients. */
function lossAndGradients(layers, x, y, loss) {
  const steps = forward(layers, x);
  const L = layers.length - 1;
  const N = loss.reduction === "mean" ? x.length : 1;
  const head = FUSED[`${layers[L].activation.name} ${loss.name}`];
  const { value, gradient } = LOSSES[head ?? loss.name];
  const a = head ? steps[L].z : steps[L].a;

  const total = sum(a.map((row, s) => value(row, y[s]))) / N; //                         (R1)
  let g = a.map((row, s) => gradient(row, y[s]).map((of) => of / N)); //                 (R2)
  const gradients = [];
  for (let l = L; l >= 0; l--) {
    const { aPrev, z, a } = steps[l];
    const slope = l === L && head ? () => 1 : activationOf(layers[l].activation).slope;
    const delta = each((g, z, a) => g * slope(z, a), g, z, a); //                        (B1)  delta = g sigma'(z)
    const W = product(transpose(delta), aPrev); //                                         (B3)  dL/dW = delta a_prev^T
    const b = transpose(delta).map(sum); //                                              (B4)  dL/db = delta
    g = product(delta, layers[l].W); //                                                    (B2)  g_prev = W^T delta
    gradients.unshift({ W, b, delta });
  }
  return { loss: total, gradients, steps, inputGradient: g };
}

/** One step of gradient descent. */
function update(layers, gradients, eta) {
  return layers.map(({ W, b, activation }, l) => ({
    W: each((w, dw) => w - eta * dw, W, gradients[l].W), //                              (U1)
    b: b.map((w, j) => w - eta * gradients[l].b[j]), //                                  (U2)
    activation,
  }));
}

// What is asked over the wire.

function checkBatch(layers, { x, y }) {
  shaped("x", x, y.length, layers[0].W[0].length);
  shaped("y", y, x.length, layers.at(-1).b.length);
}

function answerGradients({ layers, loss, x, y }) {
  checkBatch(layers, { x, y });
  const { loss: value, gradients, steps, inputGradient } = lossAndGradients(layers, x, y, loss);
  return {
    gradients: gradients.map(({ W, b }) => ({ W, b })),
    loss: value,
    output: steps.at(-1).a,
    input_gradient: inputGradient,
    trace: steps.map(({ z, a }, l) => ({ z, a, delta: gradients[l].delta })),
  };
}

function answerTrain({ layers, loss, batches, update: { name, eta, ...others } }) {
  const asked = Object.keys(others).find((parameter) => others[parameter]);
  if (name !== "sgd" || asked) throw new Unsupported(`update: ${name} ${asked ?? ""}, expected plain sgd`);
  for (const { x, y } of batches) {
    checkBatch(layers, { x, y });
    layers = update(layers, lossAndGradients(layers, x, y, loss).gradients, eta);
  }
  return { layers: layers.map(({ W, b }) => ({ W, b })) };
}

const ELEMENTWISE = Object.keys(ACTIVATIONS);

await serve(
  {
    name: "mynet",
    version: "1.0",
    commands: ["gradients", "train"],
    dtypes: ["float64"],
    activations: ELEMENTWISE,
    heads: [
      ...ELEMENTWISE.flatMap((name) => [[name, "half_squared_error"], [name, "mean_squared_error"]]),
      ["softmax", "cross_entropy"],
      ["identity", "cross_entropy_with_logits"],
      ["sigmoid", "binary_cross_entropy"],
      ["identity", "binary_cross_entropy_with_logits"],
    ],
    reductions: ["sum", "mean"],
    updates: ["sgd"],
    conventions: { relu_derivative_at_zero: 0, targets: "any", method: "backpropagation" },
  },
  { gradients: answerGradients, train: answerTrain },
);
