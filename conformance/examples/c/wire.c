#define _POSIX_C_SOURCE 200809L /* getline */
#include "wire.h"
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

static double id;    /* of the request */
static jmp_buf left; /* where one that is refused ends */

void refuse(const char *kind, const char *why) {
    printf("{\"id\": %.0f, \"%s\": \"%s\"}\n", id, kind, why);
    longjmp(left, 1);
}
size_t length(const cJSON *list) { return (size_t)cJSON_GetArraySize(list); }
static const cJSON *first(const cJSON *list, size_t n) {
    if (n == 0 || length(list) != n) refuse("error", "a list has another length than expected");
    return list->child;
}
real *vector(const cJSON *list, size_t n) {
    real *v = take(n, sizeof(real)), *at = v;
    for (const cJSON *x = first(list, n); x; x = x->next)
        cJSON_IsNumber(x) ? (void)(*at++ = (real)x->valuedouble) : refuse("error", "expected a number");
    return v;
}
real *matrix(const cJSON *rows, size_t n, size_t m) {
    real *A = take(n * m, sizeof(real)), *at = A;
    for (const cJSON *row = first(rows, n); row; row = row->next, at += m) memcpy(at, vector(row, m), m * sizeof(real));
    return A;
}
void put(const char *before, real x) { /* not by cJSON, whose own printing may lose a number's last digit */
    int digits = sizeof(real) == sizeof(float) ? FLT_DECIMAL_DIG : DBL_DECIMAL_DIG; /* 9 or 17 */
    if (isfinite(x)) printf("%s%.*g", before, digits, x);
    else printf("%s\"%s\"", before, isnan(x) ? "NaN" : x > 0 ? "Infinity" : "-Infinity");
}
void put_vector(const char *before, const real *x, size_t n) {
    printf("%s[", before);
    EACH(i, n) put(i ? ", " : "", x[i]);
    printf("]");
}
void put_matrix(const char *before, const real *A, size_t n, size_t m) {
    printf("%s[", before);
    EACH(i, n) put_vector(i ? ", " : "", &A[i * m], m);
    printf("]");
}
void serve(const char *start, void (*answer)(const cJSON *request)) {
    char *line = NULL;
    for (size_t size = 0; getline(&line, &size, stdin) > 0;) {
        cJSON *request = cJSON_Parse(line);
        const char *cmd = cJSON_GetStringValue(get(request, "cmd"));
        if (cmd && !strcmp(cmd, "stop")) break;
        id = cJSON_IsNumber(get(request, "id")) ? get(request, "id")->valuedouble : 0;
        if (cmd && !strcmp(cmd, "start")) printf("%s\n", start);
        else if (!setjmp(left)) answer(request);
        fflush(stdout);
        release();
        cJSON_Delete(request);
    }
}
