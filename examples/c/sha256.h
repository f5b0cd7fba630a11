/*
 * SHA-256 (FIPS 180-4): payment hashes and the preimages behind them, without another library.
 */
#ifndef SHA256_H
#define SHA256_H

#include <stddef.h>
#include <stdint.h>

void sha256(const void *message, size_t len, uint8_t digest[32]);

#endif
