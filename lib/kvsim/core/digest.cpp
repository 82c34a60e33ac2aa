// The low-level SHA256_* calls on purpose: the EVP interface reads OpenSSL's configuration first, which costs
// more than hashing a 3 MB trace. They are deprecated since 3.0, hence the compatibility level.
#define OPENSSL_API_COMPAT 0x10100000L
#include <kvsim/core/digest.h>

#include <openssl/sha.h>

namespace kvsim {

struct Sha256::State {
    SHA256_CTX context;
};

Sha256::Sha256() : state_(std::make_unique<State>()) { SHA256_Init(&state_->context); }
Sha256::~Sha256() = default;

void Sha256::update(const char* data, size_t size) { SHA256_Update(&state_->context, data, size); }

std::string Sha256::finish() {
    unsigned char bytes[SHA256_DIGEST_LENGTH];
    SHA256_Final(bytes, &state_->context);
    std::string hex;
    for (unsigned char b : bytes) {
        hex += "0123456789abcdef"[b >> 4];
        hex += "0123456789abcdef"[b & 15];
    }
    return hex;
}

}  // namespace kvsim
