// libcublas.so.13: products of matrices in single precision, stored by columns, with the checks that cuBLAS documents.
#include <algorithm>
#include <cstdio>
#include <vector>

#define API extern "C" __attribute__((visibility("default"))) int

namespace {

constexpr int SUCCESS = 0, INVALID_VALUE = 7;

// One operand as vectors along the sums: rows of op(A), columns of op(B).
std::vector<float> lines(const float *from, int lines, int length, int stride, bool contiguous) {
    std::vector<float> to(size_t(lines) * length);
    for (int line = 0; line < lines; line++)
        for (int i = 0; i < length; i++) to[size_t(line) * length + i] = contiguous ? from[i + size_t(line) * stride] : from[line + size_t(i) * stride];
    return to;
}

struct Sizes {
    int a_transposed, b_transposed, m, n, k, lda, ldb, ldc;

    bool valid() const {
        return m >= 0 && n >= 0 && k >= 0 && lda >= std::max(1, a_transposed ? k : m) && ldb >= std::max(1, b_transposed ? n : k) && ldc >= std::max(1, m);
    }
};

int product(const Sizes &s, float alpha, const float *a, const float *b, float beta, float *c) {
    if (!s.valid()) {
        fprintf(stderr, "emulated cuBLAS: no product of sizes %d %d %d with strides %d %d %d\n", s.m, s.n, s.k, s.lda, s.ldb, s.ldc);
        return INVALID_VALUE;
    }
    std::vector<float> rows = lines(a, s.m, s.k, s.lda, s.a_transposed), columns = lines(b, s.n, s.k, s.ldb, !s.b_transposed);
    for (int column = 0; column < s.n; column++)
        for (int row = 0; row < s.m; row++) {
            const float *x = &rows[size_t(row) * s.k], *y = &columns[size_t(column) * s.k];
            float sum = 0, &to = c[row + size_t(column) * s.ldc];
            for (int i = 0; i < s.k; i++) sum += x[i] * y[i];
            to = alpha * sum + (beta == 0 ? 0 : beta * to);  // with beta 0, c is not read: it may be NaN
        }
    return SUCCESS;
}

}  // namespace

API cublasCreate_v2(void **handle) { return *handle = new char, SUCCESS; }
API cublasDestroy_v2(void *handle) { return delete static_cast<char *>(handle), SUCCESS; }
API cublasSetStream_v2(void *, void *) { return SUCCESS; }
API cublasSgemm_v2(void *, int ta, int tb, int m, int n, int k, const float *alpha, const float *a, int lda, const float *b, int ldb, const float *beta,
                   float *c, int ldc) {
    return product({ta, tb, m, n, k, lda, ldb, ldc}, *alpha, a, b, *beta, c);
}
API cublasSgemmStridedBatched(void *, int ta, int tb, int m, int n, int k, const float *alpha, const float *a, int lda, long long stride_a, const float *b,
                              int ldb, long long stride_b, const float *beta, float *c, int ldc, long long stride_c, int count) {
    int result = count < 0 ? INVALID_VALUE : SUCCESS;
    for (int i = 0; i < count && result == SUCCESS; i++)
        result = product({ta, tb, m, n, k, lda, ldb, ldc}, *alpha, a + i * stride_a, b + i * stride_b, *beta, c + i * stride_c);
    return result;
}
