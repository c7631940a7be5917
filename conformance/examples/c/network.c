/* The equations: the labels are those of reference/EQUATIONS.md. */

#include "network.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tgmath.h> /* exp of a float is expf */


static struct block { struct block *before; max_align_t at[]; } *blocks;

void *take(size_t count, size_t size) {
    struct block *block = count < SIZE_MAX / 2 / size ? calloc(1, sizeof *block + count * size) : NULL;
    if (!block) perror("mynet"), exit(1);
    block->before = blocks;
    return (blocks = block)->at;
}

void release(void) {
    for (struct block *block; (block = blocks); free(block)) blocks = block->before;
}

static real sigmoid(real z) { return z > 0 ? 1 / (1 + exp(-z)) : exp(z) / (1 + exp(z)); } /* never exp of much */
static real softplus(real z) { return fmax(z, (real)0) + log1p(exp(-fabs(z))); }          /* log(1 + e^z) */

static real largest(const real *z, size_t n) {
    real most = z[0];
    EACH(k, n) most = fmax(most, z[k]);
    return most;
}

static real sum_of_exponentials(const real *z, size_t n) { /* over that of the largest */
    real sum = 0, most = largest(z, n);
    EACH(k, n) sum += exp(z[k] - most);
    return sum;
}

/* --- Activations: a = sigma(z) for one sample, and sigma'(z), which may be told by z or by a ------------------- */

static void activate(const struct layer *of, const real *z, real *a) {
    real most = largest(z, of->n), sum = sum_of_exponentials(z, of->n);
    EACH(j, of->n) switch (of->sigma) {
        case IDENTITY:   a[j] = z[j]; break;                                      /* (A1) */
        case SIGMOID:    a[j] = sigmoid(z[j]); break;                             /* (A2) */
        case TANH:       a[j] = tanh(z[j]); break;                                /* (A3) */
        case RELU:       a[j] = z[j] > 0 ? z[j] : 0; break;                       /* (A4) */
        case LEAKY_RELU: a[j] = z[j] > 0 ? z[j] : of->negative_slope * z[j]; break; /* (A5) */
        case SOFTMAX:    a[j] = exp(z[j] - most) / sum; break;                    /* (A8) */
    }
}

static real slope(const struct layer *of, real z, real a) {
    switch (of->sigma) {
        case SIGMOID:    return a * (1 - a);                                      /* (D2) */
        case TANH:       return 1 - a * a;                                        /* (D3) */
        case RELU:       return z > 0 ? 1 : 0;                                    /* (D4) */
        case LEAKY_RELU: return z > 0 ? 1 : of->negative_slope;                   /* (D5) */
        default:         return 1;                                                /* (D1) */
    }
}

/* --- Losses of one sample with outputs a and targets y, and their gradients g by a ----------------------------- */

static real loss_of_sample(enum loss loss, const real *a, const real *y, size_t K, real *g) {
    real value = 0, sum_y = 0, sum = sum_of_exponentials(a, K), most = largest(a, K);
    EACH(k, K) sum_y += y[k];
    EACH(k, K) switch (loss) {
        case HALF_SQUARED_ERROR:
            value += (a[k] - y[k]) * (a[k] - y[k]) / 2;                           /* (L1) */
            g[k] = a[k] - y[k];                                                   /* (G1) */
            break;
        case MEAN_SQUARED_ERROR:
            value += (a[k] - y[k]) * (a[k] - y[k]) / (real)K;                       /* (L2) */
            g[k] = 2 * (a[k] - y[k]) / (real)K;                                     /* (G2) */
            break;
        case CROSS_ENTROPY:
        case CROSS_ENTROPY_WITH_LOGITS:
            value += y[k] == 0 ? 0 : y[k] * (log(sum) - (a[k] - most));           /* (L4) */
            g[k] = exp(a[k] - most) / sum * sum_y - y[k];                         /* (G4) */
            break;
        case BINARY_CROSS_ENTROPY:
        case BINARY_CROSS_ENTROPY_WITH_LOGITS:
            value += y[k] * softplus(-a[k]) + (1 - y[k]) * softplus(a[k]);        /* (L6) */
            g[k] = sigmoid(a[k]) - y[k];                                          /* (G6) */
            break;
    }
    return value;
}

static bool fused(const struct network *net) { /* the loss is one of z, and delta^L its gradient */
    return net->loss == CROSS_ENTROPY                                             /* (H1)  with softmax */
        || net->loss == BINARY_CROSS_ENTROPY;                                     /* (H2)  with sigmoid */
}

/* --- Forward and backward -------------------------------------------------------------------------------------- */

static void forward(struct network *net, size_t B, const real *x) {
    const real *a_prev = x;
    EACH(l, net->L) {
        struct layer *at = &net->layers[l];
        EACH(s, B) {
            EACH(j, at->n) {
                real z = 0;
                EACH(i, at->m) z += at->W[j * at->m + i] * a_prev[s * at->m + i];
                at->z[s * at->n + j] = z + at->b[j];                              /* (F1)  z = W a_prev + b */
            }
            activate(at, &at->z[s * at->n], &at->a[s * at->n]);                   /* (F2)  a = sigma(z) */
        }
        a_prev = at->a;
    }
}

static void backward(struct network *net, size_t B, const real *x, real *dx) {
    for (size_t l = net->L; l-- > 0;) {
        struct layer *at = &net->layers[l];
        const real *a_prev = l ? at[-1].a : x;
        bool is_fused = l == net->L - 1 && fused(net);
        EACH(k, B * at->n) at->delta[k] = at->g[k] * (is_fused ? 1 : slope(at, at->z[k], at->a[k])); /* (B1) */
        memset(at->dW, 0, at->n * at->m * sizeof(real));
        memset(at->db, 0, at->n * sizeof(real));
        EACH(s, B) EACH(j, at->n) {
            real delta = at->delta[s * at->n + j];
            EACH(i, at->m) at->dW[j * at->m + i] += delta * a_prev[s * at->m + i]; /* (B3)  dL/dW = delta a_prev^T */
            at->db[j] += delta;                                                   /* (B4)  dL/db = delta */
        }
        real *g_prev = l ? at[-1].g : dx;
        EACH(s, B) EACH(i, at->m) {
            real g = 0;
            EACH(j, at->n) g += at->W[j * at->m + i] * at->delta[s * at->n + j];
            g_prev[s * at->m + i] = g;                                            /* (B2)  g_prev = W^T delta */
        }
    }
}

real loss_and_gradients(struct network *net, size_t B, const real *x, const real *y, real *dx) {
    forward(net, B, x);
    struct layer *last = &net->layers[net->L - 1];
    size_t K = last->n;
    real N = net->mean ? (real)B : 1, value = 0;
    const real *of = fused(net) ? last->z : last->a;
    EACH(s, B) value += loss_of_sample(net->loss, &of[s * K], &y[s * K], K, &last->g[s * K]);
    EACH(k, B * K) last->g[k] /= N;                                               /* (R2) */
    backward(net, B, x, dx);
    return value / N;                                                             /* (R1) */
}

void update(struct network *net, real eta) {
    EACH(l, net->L) {
        struct layer *at = &net->layers[l];
        EACH(i, at->n * at->m) at->W[i] -= eta * at->dW[i];                       /* (U1) */
        EACH(j, at->n) at->b[j] -= eta * at->db[j];                               /* (U2) */
    }
}
