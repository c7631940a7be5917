/* A network for the wire: what it says that it can do, and its answers.
 *
 *     cc -O2 -o mynet mynet.c wire.c network.c -lcjson -lm       in float64; with -DREAL=float in float32
 */

#include "network.h"
#include "wire.h"

#include <stdio.h>
#include <string.h>

#define DTYPE (sizeof(real) == sizeof(float) ? "float32" : "float64")

static const char *START =
    "{\"protocol\": 1, \"name\": \"mynet\", \"version\": \"1.0\", \"language\": \"c\","
    " \"commands\": [\"gradients\", \"train\"], \"dtypes\": [\"%s\"],"
    " \"activations\": [\"identity\", \"sigmoid\", \"tanh\", \"relu\", \"leaky_relu\"],"
    " \"heads\": [[\"identity\", \"half_squared_error\"], [\"sigmoid\", \"half_squared_error\"],"
    " [\"tanh\", \"half_squared_error\"], [\"relu\", \"half_squared_error\"], [\"leaky_relu\", \"half_squared_error\"],"
    " [\"identity\", \"mean_squared_error\"], [\"sigmoid\", \"mean_squared_error\"],"
    " [\"tanh\", \"mean_squared_error\"], [\"softmax\", \"cross_entropy\"],"
    " [\"identity\", \"cross_entropy_with_logits\"], [\"sigmoid\", \"binary_cross_entropy\"],"
    " [\"identity\", \"binary_cross_entropy_with_logits\"]],"
    " \"reductions\": [\"sum\", \"mean\"], \"updates\": [\"sgd\"],"
    " \"conventions\": {\"relu_derivative_at_zero\": 0, \"targets\": \"any\", \"method\": \"backpropagation\"}}";

static const char *SIGMAS[] = {"identity", "sigmoid", "tanh", "relu", "leaky_relu", "softmax", NULL};
static const char *LOSSES[] = {"half_squared_error", "mean_squared_error", "cross_entropy", "cross_entropy_with_logits",
                               "binary_cross_entropy", "binary_cross_entropy_with_logits", NULL};
static const int HEADS[] = {-1, -1, SOFTMAX, IDENTITY, SIGMOID, IDENTITY}; /* what a loss wants; -1: any but softmax */

/* --- From a request to a network ------------------------------------------------------------------------------- */

static const char *text(const cJSON *object, const char *field) {
    const char *string = cJSON_GetStringValue(get(object, field));
    if (!string) refuse("error", "expected a string");
    return string;
}

static int place(const char *name, const char *names[], const char *otherwise) {
    for (int k = 0; names[k]; k++)
        if (!strcmp(name, names[k])) return k;
    refuse("unsupported", otherwise);
    return -1;
}

/* Whatever stands beside the fields that are known must be 0, false or an empty list. */
static void nothing_but(const cJSON *object, const char *known[], const char *otherwise) {
    const cJSON *field;
    cJSON_ArrayForEach(field, object) {
        bool is_empty = cJSON_IsArray(field) && !field->child, is_known = is_empty || cJSON_IsFalse(field);
        is_known |= cJSON_IsNumber(field) && field->valuedouble == 0;
        for (int k = 0; known[k]; k++) is_known |= !strcmp(field->string, known[k]);
        if (!is_known) refuse("unsupported", otherwise);
    }
}

static struct layer layer_of(const cJSON *request, size_t m, size_t most_samples) {
    const cJSON *sigma = get(request, "activation"), *slope = get(sigma, "negative_slope");
    struct layer of = {.m = m, .n = length(get(request, "b"))};
    of.W = matrix(get(request, "W"), of.n, m);
    of.b = vector(get(request, "b"), of.n);
    of.sigma = place(text(sigma, "name"), SIGMAS, "an activation that it does not have");
    of.negative_slope = cJSON_IsNumber(slope) ? (real)slope->valuedouble : (real)0.01;
    of.dW = take(of.n * m, sizeof(real));
    of.db = take(of.n, sizeof(real));
    of.z = take(most_samples * of.n, sizeof(real));
    of.a = take(most_samples * of.n, sizeof(real));
    of.g = take(most_samples * of.n, sizeof(real));
    of.delta = take(most_samples * of.n, sizeof(real));
    return of;
}

static struct network network_of(const cJSON *request, size_t most_samples) {
    const cJSON *layers = get(request, "layers"), *loss = get(request, "loss");
    struct network net = {.L = length(layers)};
    if (strcmp(text(request, "dtype"), DTYPE)) refuse("unsupported", "another dtype than it computes in");
    if (net.L == 0) refuse("error", "expected a layer");
    net.layers = take(net.L, sizeof *net.layers);
    size_t l = 0, m = length(cJSON_GetArrayItem(get(layers->child, "W"), 0));
    for (const cJSON *layer = layers->child; layer; layer = layer->next, l++) {
        net.layers[l] = layer_of(layer, m, most_samples);
        m = net.layers[l].n;
        if (net.layers[l].sigma == SOFTMAX && l < net.L - 1) refuse("unsupported", "softmax in a hidden layer");
    }
    net.loss = place(text(loss, "name"), LOSSES, "a loss that it does not have");
    net.mean = !strcmp(text(loss, "reduction"), "mean");
    nothing_but(loss, (const char *[]){"name", "reduction", NULL}, "a loss with weights or smoothing");
    int head = net.layers[net.L - 1].sigma;
    if (HEADS[net.loss] < 0 ? head == SOFTMAX : head != HEADS[net.loss])
        refuse("unsupported", "a head that it does not have");
    return net;
}

/* --- Answers --------------------------------------------------------------------------------------------------- */

static void put_parameters(const char *name, const struct network *net, bool gradients) {
    printf("\"%s\": [", name);
    EACH(l, net->L) {
        const struct layer *at = &net->layers[l];
        put_matrix(l ? ", {\"W\": " : "{\"W\": ", gradients ? at->dW : at->W, at->n, at->m);
        put_vector(", \"b\": ", gradients ? at->db : at->b, at->n);
        printf("}");
    }
    printf("]");
}

static void answer_gradients(const cJSON *request) {
    size_t B = length(get(request, "x"));
    struct network net = network_of(request, B);
    struct layer *first = net.layers, *last = &net.layers[net.L - 1];
    const real *x = matrix(get(request, "x"), B, first->m), *y = matrix(get(request, "y"), B, last->n);
    real *dx = take(B * first->m, sizeof(real));
    real loss = loss_and_gradients(&net, B, x, y, dx);

    printf("{\"id\": %.0f, ", get(request, "id")->valuedouble);
    put_parameters("gradients", &net, true);
    put(", \"loss\": ", loss);
    put_matrix(", \"output\": ", last->a, B, last->n);
    put_matrix(", \"input_gradient\": ", dx, B, first->m);
    printf(", \"trace\": [");
    EACH(l, net.L) {
        const struct layer *at = &net.layers[l];
        put_matrix(l ? ", {\"z\": " : "{\"z\": ", at->z, B, at->n);
        put_matrix(", \"a\": ", at->a, B, at->n);
        put_matrix(", \"delta\": ", at->delta, B, at->n);
        printf("}");
    }
    printf("]}\n");
}

static void answer_train(const cJSON *request) {
    const cJSON *batches = get(request, "batches"), *rule = get(request, "update"), *eta = get(rule, "eta"), *batch;
    size_t most = 0;
    cJSON_ArrayForEach(batch, batches) most = length(get(batch, "x")) > most ? length(get(batch, "x")) : most;
    struct network net = network_of(request, most);
    size_t m = net.layers[0].m, n = net.layers[net.L - 1].n;
    place(text(rule, "name"), (const char *[]){"sgd", NULL}, "an update rule other than sgd");
    nothing_but(rule, (const char *[]){"name", "eta", NULL}, "sgd with momentum, decay or the like");
    if (!cJSON_IsNumber(eta)) refuse("error", "expected the learning rate eta");
    cJSON_ArrayForEach(batch, batches) {
        size_t B = length(get(batch, "x"));
        const real *x = matrix(get(batch, "x"), B, m), *y = matrix(get(batch, "y"), B, n);
        loss_and_gradients(&net, B, x, y, take(B * m, sizeof(real)));
        update(&net, (real)eta->valuedouble);
    }
    printf("{\"id\": %.0f, ", get(request, "id")->valuedouble);
    put_parameters("layers", &net, false);
    printf("}\n");
}

static void answer(const cJSON *request) {
    if (!cJSON_IsNumber(get(request, "id"))) refuse("error", "expected a request with an id");
    if (place(text(request, "cmd"), (const char *[]){"gradients", "train", NULL}, "another command") == 0)
        answer_gradients(request);
    else
        answer_train(request);
}

int main(void) {
    char start[2048];
    snprintf(start, sizeof start, START, DTYPE);
    serve(start, answer);
}
