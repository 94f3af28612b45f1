// The declarations of the public header are C++ too; only the macros that need C are absent.
#include <thiasos/thiasos.h>

static_assert(sizeof(ths_ref) == 16, "a ref is sixteen bytes");

bool same(ths_ref a, ths_ref b);
bool same(ths_ref a, ths_ref b)
{
    ths_message none = { nullptr, nullptr };

    return ths_ref_equal(a, b) && none.type == nullptr;
}
