/* The wire: one JSON object a line in, one a line out (conformance/PROTOCOL.md). */

#ifndef WIRE_H
#define WIRE_H

#include "network.h"

#include <cjson/cJSON.h>

#define get cJSON_GetObjectItemCaseSensitive /* a field of an object, or NULL */

/* Answer each line until stop: start with a text of JSON, a request with what a function prints for it. */
void serve(const char *start, void (*answer)(const cJSON *request));

/* Leave the request: kind is "unsupported" or "error". */
void refuse(const char *kind, const char *why);

/* How many elements a list has; none, where it is NULL. */
size_t length(const cJSON *list);

/* Read a list of n numbers, or n rows of m; an error where it has another shape. */
real *vector(const cJSON *list, size_t n);
real *matrix(const cJSON *rows, size_t n, size_t m);

/* Print a number, a list, a list of rows after some text, so that each number reads back exactly. */
void put(const char *before, real x);
void put_vector(const char *before, const real *x, size_t n);
void put_matrix(const char *before, const real *A, size_t n, size_t m);

#endif
