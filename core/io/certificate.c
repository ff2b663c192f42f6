#include "io/certificate.h"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { SERIAL_BYTES = 16, NAMES_SIZE = 4096 };

static void write_name(const X509_NAME *name, char *text, size_t size) {
    BIO *memory = BIO_new(BIO_s_mem());
    text[0] = 0;
    if (!memory) return;
    X509_NAME_print_ex(memory, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
    int length = BIO_pending(memory) < (int)size ? BIO_read(memory, text, (int)size - 1) : 0;
    text[length > 0 ? length : 0] = 0;
    BIO_free(memory);
}

/* Who decides by a name is not to see "good.org" of "good.org\0.evil.org", nor the beginning of a long one. */
static size_t copy_bytes(const unsigned char *bytes, int length, char *text, size_t size) {
    text[0] = 0;
    if (length < 0 || (size_t)length >= size || memchr(bytes, 0, (size_t)length)) return 0;
    memcpy(text, bytes, (size_t)length);
    text[length] = 0;
    return (size_t)length;
}

static void write_common_name(const X509_NAME *name, char *text, size_t size) {
    unsigned char *bytes = NULL;
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, X509_NAME_get_index_by_NID(name, NID_commonName, -1));
    int length = entry ? ASN1_STRING_to_UTF8(&bytes, X509_NAME_ENTRY_get_data(entry)) : -1;
    copy_bytes(bytes, length, text, size);
    OPENSSL_free(bytes);
}

static void write_hex(const unsigned char *bytes, size_t count, char *text, size_t size) {
    for (size_t i = 0; i < count && 2 * i + 2 < size; i++) sprintf(text + 2 * i, "%02x", bytes[i]);
}

static void write_serial(const X509 *certificate, char *text, size_t size) {
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    write_hex(ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial), text, size);
}

static int64_t seconds_of(const ASN1_TIME *when) {
    struct tm parts;
    return ASN1_TIME_to_tm(when, &parts) == 1 ? (int64_t)timegm(&parts) : 0;
}

void certificate_describe(X509 *certificate, struct certificate_facts *facts) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    memset(facts, 0, sizeof *facts);
    write_name(X509_get_subject_name(certificate), facts->subject, sizeof facts->subject);
    write_name(X509_get_issuer_name(certificate), facts->issuer, sizeof facts->issuer);
    write_common_name(X509_get_subject_name(certificate), facts->common_name, sizeof facts->common_name);
    write_serial(certificate, facts->serial, sizeof facts->serial);
    if (X509_digest(certificate, EVP_sha256(), digest, &size) == 1)
        write_hex(digest, size, facts->fingerprint, sizeof facts->fingerprint);
    facts->not_before = seconds_of(X509_get0_notBefore(certificate));
    facts->not_after = seconds_of(X509_get0_notAfter(certificate));
}

static size_t copy_address(const ASN1_STRING *bytes, char *text, size_t size) {
    int family = ASN1_STRING_length(bytes) == 4 ? AF_INET : AF_INET6;
    if (ASN1_STRING_length(bytes) != 4 && ASN1_STRING_length(bytes) != 16) return 0;
    return inet_ntop(family, ASN1_STRING_get0_data(bytes), text, (socklen_t)size) ? strlen(text) : 0;
}

static size_t copy_name(const GENERAL_NAME *name, char *text, size_t size) {
    switch (name->type) {
    case GEN_DNS:
    case GEN_EMAIL:
    case GEN_URI: return copy_bytes(ASN1_STRING_get0_data(name->d.ia5), ASN1_STRING_length(name->d.ia5), text, size);
    case GEN_IPADD: return copy_address(name->d.iPAddress, text, size);
    default: return 0;
    }
}

size_t certificate_name(X509 *certificate, int index, char *text, size_t size) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t length = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        length = copy_name(sk_GENERAL_NAME_value(names, i), text, size);
        if (length && index-- == 0) break;
        length = 0;
    }
    GENERAL_NAMES_free(names);
    return length;
}

/* Making one. */

static int is_address(const char *name) {
    unsigned char bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static int add_extension(X509 *certificate, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    int added = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static int add_names(X509 *certificate, const char *const *names, int count) {
    char text[NAMES_SIZE];
    size_t used = 0;
    for (int i = 0; i < count; i++) {
        const char *kind = is_address(names[i]) ? "IP" : "DNS";
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s:%s", i ? "," : "", kind, names[i]);
        if (used >= sizeof text) return 0;
    }
    return add_extension(certificate, NID_subject_alt_name, text);
}

static int set_serial(X509 *certificate) {
    unsigned char bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1) return 0;
    bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and of full length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    int set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return set;
}

/* A name that is longer than a common name may be is among the alternative names, which are what counts. */
static int set_subject(X509 *certificate, const char *common_name) {
    X509_NAME *name = X509_get_subject_name(certificate);
    if (strlen(common_name) > ub_common_name) common_name = "a long name";
    return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, name) == 1;
}

/* Valid from an hour ago: clocks differ. */
static int fill(X509 *certificate, EVP_PKEY *key, const char *const *names, int count, int days) {
    return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
           X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) &&
           X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, NULL) && set_subject(certificate, names[0]) &&
           X509_set_pubkey(certificate, key) == 1 &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
           add_extension(certificate, NID_ext_key_usage, "serverAuth,clientAuth") &&
           add_extension(certificate, NID_subject_key_identifier, "hash") && add_names(certificate, names, count) &&
           X509_sign(certificate, key, EVP_sha256()) > 0;
}

static int take_text(BIO *memory, int written, char text[CERTIFICATE_PEM_MAX]) {
    int length = written ? BIO_read(memory, text, CERTIFICATE_PEM_MAX) : 0;
    if (length <= 0 || length >= CERTIFICATE_PEM_MAX) return 0;
    text[length] = 0;
    return 1;
}

static int write_pem(X509 *certificate, EVP_PKEY *key, char *certificate_text, char *key_text) {
    BIO *memory = BIO_new(BIO_s_mem());
    int done = memory && take_text(memory, PEM_write_bio_X509(memory, certificate), certificate_text) &&
               take_text(memory, PEM_write_bio_PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL), key_text);
    BIO_free(memory);
    return done;
}

int certificate_self_signed(const char *const *names, int count, int days, char certificate[CERTIFICATE_PEM_MAX],
                            char key[CERTIFICATE_PEM_MAX], struct tls_failure *failure) {
    EVP_PKEY *pair = EVP_EC_gen("P-256");
    X509 *made = X509_new();
    int done = pair && made && fill(made, pair, names, count, days) && write_pem(made, pair, certificate, key);
    if (!done) tls_describe(failure, "a certificate for '%s'", names[0]);
    X509_free(made);
    EVP_PKEY_free(pair);
    return done ? 0 : -1;
}
