/* A network with its backpropagation written by hand, in double or, with -DREAL=float, in float. */

#ifndef NETWORK_H
#define NETWORK_H

#include <stdbool.h>
#include <stddef.h>

#ifndef REAL
#define REAL double
#endif
typedef REAL real;

#define EACH(i, n) for (size_t i = 0; i < (n); i++)

enum activation { IDENTITY, SIGMOID, TANH, RELU, LEAKY_RELU, SOFTMAX };
enum loss {
    HALF_SQUARED_ERROR,
    MEAN_SQUARED_ERROR,
    CROSS_ENTROPY,
    CROSS_ENTROPY_WITH_LOGITS,
    BINARY_CROSS_ENTROPY,
    BINARY_CROSS_ENTROPY_WITH_LOGITS
};

/* Matrices lie row by row: of W, dW (n, m) each row leads into a unit, of z, a, g, delta (B, n) each is a sample. */
struct layer {
    size_t m, n; /* units of the layer before, and of this one */
    real *W, *b;
    enum activation sigma;
    real negative_slope; /* of leaky_relu */
    real *z, *a, *g, *delta, *dW, *db;
};

struct network {
    size_t L; /* layers[0] is the first, layers[L - 1] the last */
    struct layer *layers;
    enum loss loss;
    bool mean; /* the batch's reduction, otherwise the sum */
};

/* Memory, all 0, until it is released. */
void *take(size_t count, size_t size);
void release(void);

/* Fill in z, a, g, delta, dW, db of each layer and dx (B, n_0), from x (B, n_0) and y (B, n_L); return the loss. */
real loss_and_gradients(struct network *net, size_t B, const real *x, const real *y, real *dx);

/* One step of gradient descent. */
void update(struct network *net, real eta);

#endif
