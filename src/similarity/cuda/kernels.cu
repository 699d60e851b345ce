// Selection and reduction over a block of scores (row-major, f32) that cuBLAS has computed.

typedef unsigned int u32;
typedef unsigned long long u64;

// The score of a measure from an inner product. Squares are read for the distance only.
__device__ float finish(float dot, bool distance, const float *row_squares, const float *column_squares, size_t row, size_t column) {
    return distance ? fminf(2.0f * dot - (row_squares[row] + column_squares[column]), 0.0f) : dot;
}

// A number that grows with the score and, for equal scores, falls with the index. -0 becomes 0. Never 0 for a finite score.
__device__ u64 key_of(float score, u32 index) {
    u32 bits = __float_as_uint(score == 0.0f ? 0.0f : score);
    u32 ordered = bits >> 31 ? ~bits : bits | 0x80000000u;
    return (u64)ordered << 32 | (u64)(~index);
}

// Falling bitonic sort of n (a power of two) keys in shared memory by all threads of the block.
__device__ void sort_falling(u64 *keys, u32 n) {
    for (u32 size = 2; size <= n; size *= 2) {
        for (u32 step = size / 2; step > 0; step /= 2) {
            __syncthreads();
            for (u32 t = threadIdx.x; t < n / 2; t += blockDim.x) {
                u32 i = 2 * t - (t & (step - 1));
                u64 a = keys[i], b = keys[i + step];
                bool falling = (i & size) == 0;
                if ((a < b) == falling) {
                    keys[i] = b;
                    keys[i + step] = a;
                }
            }
        }
    }
    __syncthreads();
}

// Merges the scores of one block of items into the best k keys of every row, falling; 0 is no key. One block of threads per row; shared
// memory holds 2 * half keys: the best, then candidates. half: a power of two, at least k and twice the number of threads.
extern "C" __global__ void merge_top_k(const float *scores, u64 *best, size_t columns, size_t first_row, size_t first_column, u32 k, u32 half,
                                       u32 distance, const float *row_squares, const float *column_squares) {
    extern __shared__ u64 keys[];
    __shared__ u32 count;
    const float *row = scores + blockIdx.x * columns;
    u64 *own = best + (first_row + blockIdx.x) * k;
    for (u32 i = threadIdx.x; i < 2 * half; i += blockDim.x) {
        keys[i] = i < k ? own[i] : 0;
    }
    if (threadIdx.x == 0) {
        count = 0;
    }
    __syncthreads();
    for (size_t start = 0; start < columns; start += blockDim.x) {
        size_t column = start + threadIdx.x;
        if (column < columns) {
            float score = finish(row[column], distance, row_squares, column_squares, first_row + blockIdx.x, column);
            u64 key = key_of(score, (u32)(first_column + column));
            if (key > keys[k - 1]) {
                keys[half + atomicAdd(&count, 1u)] = key;
            }
        }
        __syncthreads();
        // Every thread reads the same count, and none adds to it before all have.
        bool full = count + blockDim.x > half || start + blockDim.x >= columns;
        __syncthreads();
        if (full) {
            sort_falling(keys, 2 * half);
            for (u32 i = k + threadIdx.x; i < 2 * half; i += blockDim.x) {
                keys[i] = 0;
            }
            if (threadIdx.x == 0) {
                count = 0;
            }
            __syncthreads();
        }
    }
    for (u32 i = threadIdx.x; i < k; i += blockDim.x) {
        own[i] = keys[i];
    }
}

// The largest score of every row over every set of columns, offsets[s] <= column < offsets[s + 1]. One warp per row (x) and set (y).
extern "C" __global__ void set_maxima(const float *scores, float *maxima, size_t columns, const u64 *offsets, size_t sets, size_t first_row,
                                      u32 distance, const float *row_squares, const float *column_squares) {
    const float *row = scores + blockIdx.x * columns;
    for (size_t set = blockIdx.y; set < sets; set += gridDim.y) {
        float most = __uint_as_float(0xff800000u);
        for (size_t column = offsets[set] + threadIdx.x; column < offsets[set + 1]; column += 32) {
            most = fmaxf(most, finish(row[column], distance, row_squares, column_squares, first_row + blockIdx.x, column));
        }
        for (u32 step = 16; step > 0; step /= 2) {
            most = fmaxf(most, __shfl_down_sync(0xffffffffu, most, step));
        }
        if (threadIdx.x == 0) {
            maxima[blockIdx.x * sets + set] = most;
        }
    }
}
