#pragma once
#include <stddef.h>
#include <stdint.h>

// Whether this machine has what elanus_crc32 needs; without it nobody may call it.
bool elanus_has_crc32();
// CRC-32 as zlib's: continues from `seed`, the sum of what came before (0: nothing).
uint32_t elanus_crc32(const uint8_t* bytes, size_t length, uint32_t seed);
