/* Atomics: the operations of <stdatomic.h> and the locks of <pthread.h> as points of the explorer. Included before the code under
 * test, in the one file that includes its source. */

#ifndef THS_TESTS_MODEL_ATOMICS_H
#define THS_TESTS_MODEL_ATOMICS_H

#include <pthread.h>
#include <stdatomic.h>

#include "tests/model/explorer.h"

#define MODEL_VALUE(p) __typeof__((void)0, *(p))
#define MODEL_UPDATE(p, operation, v, order)                                                        \
    ((MODEL_VALUE(p))model_update((p), sizeof *(p), operation, (uint64_t)(v), (order), __func__))
#define MODEL_CAS(p, e, d, order)                                                                   \
    ({                                                                                              \
        __auto_type model_e_ = (e);                                                                 \
        uint64_t model_old_ = (uint64_t)*model_e_;                                                  \
        bool model_ok_ = model_cas((p), sizeof *(p), &model_old_, (uint64_t)(d), (order), __func__); \
        if (!model_ok_)                                                                             \
            *model_e_ = (MODEL_VALUE(p))model_old_;                                                 \
        model_ok_;                                                                                  \
    })

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_fetch_add_explicit
#undef atomic_fetch_sub_explicit
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_compare_exchange_strong_explicit
#undef atomic_compare_exchange_weak_explicit

#define atomic_load_explicit(p, order) ((MODEL_VALUE(p))model_load((p), sizeof *(p), (order), __func__))
#define atomic_store_explicit(p, v, order) model_store((p), sizeof *(p), (uint64_t)(v), (order), __func__)
#define atomic_exchange_explicit(p, v, order) MODEL_UPDATE(p, "exchange", v, order)
#define atomic_fetch_add_explicit(p, v, order) MODEL_UPDATE(p, "add", v, order)
#define atomic_fetch_sub_explicit(p, v, order) MODEL_UPDATE(p, "sub", v, order)
#define atomic_fetch_or_explicit(p, v, order) MODEL_UPDATE(p, "or", v, order)
#define atomic_fetch_and_explicit(p, v, order) MODEL_UPDATE(p, "and", v, order)
#define atomic_compare_exchange_strong_explicit(p, e, d, order, failed) MODEL_CAS(p, e, d, order)
#define atomic_compare_exchange_weak_explicit(p, e, d, order, failed) MODEL_CAS(p, e, d, order)

#define pthread_mutex_lock(mutex) model_lock(mutex, __func__)
#define pthread_mutex_unlock(mutex) model_unlock(mutex, __func__)

#endif /* THS_TESTS_MODEL_ATOMICS_H */
