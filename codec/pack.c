#include "codec/pack.h"

void thsi_packer_append_more(struct thsi_packer *packer, const void *bytes, size_t len)
{
    if (packer->overflow || !packer->more || !packer->more(packer, bytes, len))
        packer->overflow = true;
}
