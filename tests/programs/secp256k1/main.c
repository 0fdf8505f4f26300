// Signs messages on the curve secp256k1 and verifies the signatures. The Rust crate that
// bundles the library gives each of its names a prefix.
#include "input.h"
#include "secp256k1.h"
#include "secp256k1_preallocated.h"

#define NAME(name) rustsecp256k1_v0_14_##name

static void fail(const char *what) {
  fprintf(stderr, "secp256k1: %s\n", what);
  exit(1);
}

void NAME(default_illegal_callback_fn)(const char *text, void *data) {
  (void)data;
  fail(text);
}

void NAME(default_error_callback_fn)(const char *text, void *data) {
  (void)data;
  fail(text);
}

int main(void) {
  size_t size = NAME(context_preallocated_size)(SECP256K1_CONTEXT_NONE);
  NAME(context) *context =
      NAME(context_preallocated_create)(allocate(size), SECP256K1_CONTEXT_NONE);
  uint8_t key[32], message[32];
  memset(key, 7, sizeof key);
  uint64_t hash = 0;
  for (int i = 0; i < 3000; i++) {
    memset(message, i, sizeof message);
    key[5] = i;
    key[6] = i >> 8;
    NAME(ecdsa_signature) signature;
    NAME(pubkey) public;
    if (!NAME(ecdsa_sign)(context, &signature, message, key, NULL, NULL))
      fail("no signature");
    if (!NAME(ec_pubkey_create)(context, &public, key))
      fail("no public key");
    if (!NAME(ecdsa_verify)(context, &signature, message, &public))
      fail("the signature is not that of the message");
    hash = hash * 31 + fnv1a(signature.data, sizeof signature.data);
  }
  printf("%016llx\n", (unsigned long long)hash);
}
