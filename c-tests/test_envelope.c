/*
 * Envelopes without a store: sealed and opened by themselves, each fault in its order, and what another
 * program sealed by the words of the format alone.
 */

#include "backup.h"

static const char GOOD[] =
    "e4a2520f2444a1df1b0cae0e062096c86f1e5c2a1492aeb350032420155dfc04f65fd4a93fc57bb028bd09823f80879c"
    "42e20ded6af618ff0460f4a44bacddc9edaad9a1616f761fe755772084df2b6c60e3610bda10a12285f328a6ad252ad5"
    "cafdb9dc4e49c85b0ca9e4c0d2025e373e43fbba798ffc8de1b7e701c2c8d452c11eacc035d759024ee9";
static const char AS_FOUND[] =
    "81869c57000b1f5bf1033ed67bfcf6ed4546aab771c84087abc1f3e96f344c365c4967f0cd644039cf0dc41f49782add"
    "a61d435408cfbf44a59071ee277e80a8d578d0cf3af0dfb122c2c83daab9c0183033502f1ad76bc52729a08b0a2a7492"
    "e737722e94c67c1e72acb3aef94536c3c25157119658b44bfb6e110d65d3195bbf3237d5bf77a49b0c4657a9";
static const char BAD_VERSION[] =
    "2a0dc6a9ef7112b8506ffacbbcd4eda926aaa623b3133361c706becc28ac3baf4d1bcb5f0ca9bf3490bbf6e31a98a20b"
    "c75dbf9b7c5e464fe9a69f140f4345b5511999bab251d0c1de7d719b6c0d8a9c5abf036df9005387f0f08524e8b09be6"
    "8f6141b82b5512351217cf8c024f9cc525e8ad259b3fda6347c042f4c02a329c8f4b066be5af38175884";
static const char BAD_LENGTH[] =
    "9bbba0ab5e8e7f52cbda691de079c873258bba3f8024bf282802d1f8f4fa18f42f432b1251d5478432bf8cf0c83ad3ec"
    "22188d006910015e703cf737010bb1c965f22e188dc649d186043645b128526fc255ff71123d9e2fbd1d5e56f047a3d1"
    "5f9d4332d7f5ce42984b37c465f278edf43b811566449467b4b906d0731a9093aa5d7a4851cf1dbd4990";
static const char LENGTH_WRAPS[] =
    "c978fb462f5c5aa71391ba5d6c6c84123b0b6b2313cd88b6d64e7dab746592e459e3cc5333fee5ffd391c6cf1a9076bf"
    "8278db6961853a8c2825c9933e8a0bf01c3aa1b5ec57fbeb72f47274c28a829388ade82db7aa6e670631c6cfb748c28c"
    "e5ce586d72fc2f774092908ade3b65192eb1902bb598407db24ad09f983a414a762ad9f175b5428863b6";
static const char BAD_CHECKSUM[] =
    "baf5dab1f26ce50d7167b5a0422688231719e2cab462f72e244273d229975b83a7b7406d33a686c46e74e0a16e5ced12"
    "ce5002a9902cb3df075ec41ab7443fb51dcc43881e8101c9d452c85d1188ad6705a50ee02072bc84beb3c435b84c1f8d"
    "3ac6cf905c0af6a23c5faa9420d02d8d53a533a1d51e007e118af78f17ec8894fc92814f9be8084ed7f236";
static const char BAD_PADDING[] =
    "75fd1b3fd72b62be9c95082588d55dad4ad464f87655229ae82a580b0f04276927c9025a98e1ecb2b264ee10c03aca9e"
    "ce2e0a855fe4f0db053a98f8c7ff0a78efe7b048b8cd27af74be9646a34aa96a13bb03c4bf1ba62c05303de74e9bd8ba"
    "c839e7084f80ae2d8c838f987081bbe988d4f26144656af532fc33e6b4595461bbd570a649f745e96b6d921e";
static const char EMPTY[] =
    "a1265ae92e662a7d2f74acfe23e4a6d4f17c6e122d2a6a3ebc3fd4bf1d6b7796e3d5d9a25e2b759798cdd63b5423f3fe"
    "d0ed6d0571587c79c2d187b54f1ffd78a336cc0ac2fe26db095b23879d458ef7d39549dc256bb1d0003efdab93784fbe"
    "2bc6ef5e671bb37c475782742da35ac29bd85bf33cc732fa13bcabec86fa39e2533972f4d69790c6";

static const uint8_t ENTROPY[16] = {0};

static lnkeep_status open_as(const uint8_t *secret, uint32_t number, lnkeep_bytes blob,
                             lnkeep_opened **opened) {
    node_id peer = node(number);
    *opened = NULL;
    lnkeep_status status = lnkeep_envelope_open(secret, peer.bytes, blob, opened, &err);
    check_err(status);
    CHECK_EQUAL(*opened != NULL, status == LNKEEP_DONE);
    return status;
}

/* Refused with this fault. */
static int is_fault(const uint8_t *secret, uint32_t number, lnkeep_bytes blob, uint64_t fault, int line) {
    lnkeep_opened *opened = NULL;
    lnkeep_status status = open_as(secret, number, blob, &opened);
    int held = h_check_status(status, LNKEEP_BAD_ENVELOPE, __FILE__, line, "open");
    held &= h_check_equal(err.present, LNKEEP_ERROR_HAS_VALUE, __FILE__, line, "has a number");
    lnkeep_opened_free(opened);
    return held & h_check_equal(err.value, fault, __FILE__, line, "the fault");
}

#define CHECK_FAULT(secret, number, blob, fault) \
    is_fault(secret, number, blob, LNKEEP_ENVELOPE_##fault, __LINE__)

static lnkeep_bytes from_hex(const char *text, uint8_t *room) {
    size_t len = strlen(text) / 2;
    for (size_t i = 0; i < len; i++) {
        const char pair[3] = {text[2 * i], text[2 * i + 1], 0};
        room[i] = (uint8_t)strtoul(pair, NULL, 16);
    }
    return h_bytes(room, len);
}

static lnkeep_status seal_with(const lnkeep_envelope_header *header, lnkeep_bytes payload,
                               uint32_t size_class, const uint8_t *entropy, lnkeep_buf **blob) {
    node_id peer = node(1);
    *blob = NULL;
    lnkeep_status status =
        lnkeep_envelope_seal(SECRET, peer.bytes, header, payload, size_class, entropy, blob, &err);
    check_err(status);
    CHECK_EQUAL(*blob != NULL, status == LNKEEP_DONE);
    return status;
}

static lnkeep_envelope_header header_of(uint64_t seq) {
    lnkeep_envelope_header header = LNKEEP_ENVELOPE_HEADER_INIT;
    header.seq = seq, header.created_unix_secs = 6, header.block_height = 7;
    for (uint8_t i = 0; i < 16; i++) header.instance[i] = i;
    return header;
}

static void every_class_at_its_edges_goes_around(void) {
    static const uint32_t classes[] = {1024, 4096, 16384, 65531};
    for (size_t i = 0; i < 4 * H_COUNT(classes); i++) {
        uint32_t bytes = classes[i / 4];
        size_t most = bytes - ENVELOPE_BYTES;
        const size_t lens[] = {0, 1, most - 1, most};
        size_t len = lens[i % 4];
        lnkeep_envelope_header header = header_of(i ? UINT64_MAX - i : UINT64_MAX);
        header.kind = (uint32_t)i, header.flags = 65535, header.block_height = UINT32_MAX;
        memset(header.set_id, (int)i, sizeof header.set_id);
        lnkeep_bytes payload = blob_of(i, len);
        lnkeep_buf *blob;
        lnkeep_opened *opened;
        if (!CHECK_DONE(seal_with(&header, payload, bytes, ENTROPY, &blob))) continue;
        CHECK_EQUAL(blob->len, bytes);
        if (CHECK_DONE(open_as(SECRET, 1, h_bytes(blob->ptr, blob->len), &opened))) {
            CHECK_EQUAL(opened->size, sizeof *opened);
            CHECK_EQUAL(opened->payload.len, len);
            CHECK(len == 0 || memcmp(opened->payload.ptr, payload.ptr, len) == 0);
            CHECK(opened->seq == header.seq && opened->created_unix_secs == 6 && opened->reserved == 0);
            CHECK(opened->kind == i && opened->flags == 65535 && opened->block_height == UINT32_MAX);
            CHECK(memcmp(opened->instance, header.instance, 16) == 0);
            CHECK(memcmp(opened->set_id, header.set_id, 16) == 0);
        }
        lnkeep_opened_free(opened);
        lnkeep_buf_free(blob);
        if (len == most) {
            CHECK_STATUS(seal_with(&header, blob_of(i, most + 1), bytes, ENTROPY, &blob), LNKEEP_TOO_BIG);
        }
    }
    lnkeep_opened_free(NULL);
}

/* By the words of the format: another program's blob, to its first and last bytes. */
static void another_program_seals_the_same(void) {
    uint8_t nonce[24], tag[16];
    lnkeep_envelope_header header = header_of(5);
    lnkeep_buf *blob;
    from_hex("33f5b849c732590d6ac569af7e0cf7ea87e31d1f3e9c6750", nonce);
    from_hex("8c79b162d4208657df7cf2c1547ee533", tag);
    if (CHECK_DONE(seal_with(&header, h_text("hi"), 1024, ENTROPY, &blob))) {
        CHECK(memcmp(blob->ptr, nonce, sizeof nonce) == 0);
        CHECK(memcmp(blob->ptr + blob->len - sizeof tag, tag, sizeof tag) == 0);
    }
    lnkeep_buf_free(blob);
}

static void faults_are_told_in_order(void) {
    static const struct {
        const char *hex;
        uint64_t fault;
    } rows[] = {
        {BAD_VERSION, LNKEEP_ENVELOPE_BAD_VERSION},   {BAD_LENGTH, LNKEEP_ENVELOPE_BAD_LENGTH},
        {LENGTH_WRAPS, LNKEEP_ENVELOPE_BAD_LENGTH},   {BAD_CHECKSUM, LNKEEP_ENVELOPE_BAD_CHECKSUM},
        {BAD_PADDING, LNKEEP_ENVELOPE_BAD_PADDING},
    };
    uint8_t room[256];
    for (size_t i = 0; i < H_COUNT(rows); i++) {
        lnkeep_bytes blob = from_hex(rows[i].hex, room);
        is_fault(SECRET, 1, blob, rows[i].fault, __LINE__);
        CHECK_FAULT(SECRET, 2, blob, AUTH_FAILED);
        room[blob.len - 1] ^= 1;
        CHECK_FAULT(SECRET, 1, blob, AUTH_FAILED);
    }
    static const size_t lens[] = {0, 1, 23, 24, 40, 135};
    memset(room, 0, sizeof room);
    for (size_t i = 0; i < H_COUNT(lens); i++) CHECK_FAULT(SECRET, 1, h_bytes(room, lens[i]), TOO_SHORT);
    CHECK_FAULT(SECRET, 1, h_bytes(NULL, 0), TOO_SHORT);
    CHECK_FAULT(SECRET, 1, h_bytes(room, 136), AUTH_FAILED);
    lnkeep_bytes longest = blob_of(1, BLOB_MAX);
    CHECK_FAULT(SECRET, 1, longest, AUTH_FAILED);
}

/* Of any length, with fields that this version does not use: as found. */
static void fields_are_given_as_found(void) {
    uint8_t room[256];
    lnkeep_opened *opened;
    if (CHECK_DONE(open_as(SECRET, 1, from_hex(GOOD, room), &opened))) {
        CHECK(opened->payload.len == 2 && memcmp(opened->payload.ptr, "hi", 2) == 0);
        CHECK(opened->seq == 5 && opened->created_unix_secs == 6 && opened->block_height == 7);
        CHECK_EQUAL(opened->kind | opened->flags | opened->reserved | opened->set_id[0], 0);
        CHECK_EQUAL(opened->instance[15], 15);
    }
    lnkeep_opened_free(opened);
    if (CHECK_DONE(open_as(SECRET, 1, from_hex(AS_FOUND, room), &opened))) {
        CHECK(opened->kind == 9 && opened->flags == 0xabcd && opened->reserved == 0x01020304);
        CHECK(opened->set_id[0] == 16 && opened->set_id[15] == 31);
    }
    lnkeep_opened_free(opened);
    if (CHECK_DONE(open_as(SECRET, 1, from_hex(EMPTY, room), &opened))) {
        CHECK_EQUAL(opened->payload.len, 0);
    }
    lnkeep_opened_free(opened);
}

/* Every bit counts, and so do peer and secret. */
static void any_change_is_noticed(void) {
    uint8_t room[256], secret[32];
    lnkeep_bytes blob = from_hex(GOOD, room);
    lnkeep_opened *opened;
    for (size_t i = 0; i < blob.len * 8; i += h_rounds(1, 16)) {
        room[i / 8] ^= (uint8_t)(1u << i % 8);
        CHECK_FAULT(SECRET, 1, blob, AUTH_FAILED);
        room[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    for (size_t i = 0; i < 32; i++) {
        memcpy(secret, SECRET, sizeof secret);
        secret[i] ^= 0x80;
        CHECK_FAULT(secret, 1, blob, AUTH_FAILED);
    }
    for (size_t i = 0; i < 33; i++) {
        node_id peer = node(1);
        peer.bytes[i] ^= 1;
        CHECK_STATUS(lnkeep_envelope_open(SECRET, peer.bytes, blob, &opened, &err), LNKEEP_BAD_ENVELOPE);
        CHECK_EQUAL(err.value, LNKEEP_ENVELOPE_AUTH_FAILED);
    }
    CHECK_FAULT(OTHER_SECRET, 1, blob, AUTH_FAILED);
    CHECK_FAULT(SECRET, 1, h_bytes(room, blob.len - 1), AUTH_FAILED);
    room[blob.len] = 0;
    CHECK_FAULT(SECRET, 1, h_bytes(room, blob.len + 1), AUTH_FAILED);
    CHECK_DONE(open_as(SECRET, 1, blob, &opened));
    lnkeep_opened_free(opened);
}

/* With equal entropy equal payloads give equal blobs, and any difference gives another nonce. */
static void nonces_are_hedged(void) {
    lnkeep_envelope_header header = header_of(5), other = header_of(6);
    static const uint8_t entropy[16] = {1};
    lnkeep_buf *blobs[5];
    CHECK_DONE(seal_with(&header, h_text("hi"), 1024, ENTROPY, &blobs[0]));
    CHECK_DONE(seal_with(&header, h_text("hi"), 1024, ENTROPY, &blobs[1]));
    CHECK_DONE(seal_with(&header, h_text("ho"), 1024, ENTROPY, &blobs[2]));
    CHECK_DONE(seal_with(&other, h_text("hi"), 1024, ENTROPY, &blobs[3]));
    CHECK_DONE(seal_with(&header, h_text("hi"), 1024, entropy, &blobs[4]));
    CHECK(memcmp(blobs[0]->ptr, blobs[1]->ptr, 1024) == 0);
    for (int i = 0; i < 5; i++) {
        for (int j = 0; j < i; j++) {
            if (i > 1) CHECK(memcmp(blobs[i]->ptr, blobs[j]->ptr, 24) != 0);
        }
    }
    for (int i = 0; i < 5; i++) lnkeep_buf_free(blobs[i]);
}

static void mistakes_of_a_caller_are_refused(void) {
    lnkeep_envelope_header header = header_of(5);
    lnkeep_buf *blob;
    static const uint32_t classes[] = {0, 1, 136, 1023, 1025, 65530, 65532, UINT32_MAX};
    for (size_t i = 0; i < H_COUNT(classes); i++) {
        CHECK_STATUS(seal_with(&header, h_text("x"), classes[i], ENTROPY, &blob), LNKEEP_INVALID_ARGUMENT);
    }
    header.kind = 256;
    CHECK_STATUS(seal_with(&header, h_text("x"), 1024, ENTROPY, &blob), LNKEEP_INVALID_ARGUMENT);
    header.kind = 0, header.flags = 65536;
    CHECK_STATUS(seal_with(&header, h_text("x"), 1024, ENTROPY, &blob), LNKEEP_INVALID_ARGUMENT);
    header.flags = 0, header.reserved = 1;
    CHECK_STATUS(seal_with(&header, h_text("x"), 1024, ENTROPY, &blob), LNKEEP_INVALID_ARGUMENT);
    header.reserved = 0, header.size = 7;
    CHECK_STATUS(seal_with(&header, h_text("x"), 1024, ENTROPY, &blob), LNKEEP_INVALID_ARGUMENT);
    header.size = sizeof header;
    CHECK_STATUS(seal_with(&header, h_bytes(NULL, 1), 1024, ENTROPY, &blob), LNKEEP_INVALID_ARGUMENT);
    CHECK_STATUS(seal_with(&header, h_bytes("x", SIZE_MAX), 1024, ENTROPY, &blob), LNKEEP_INVALID_ARGUMENT);
}

/* What recovery begins with: a secret, a peer and its blob; neither a store nor anything that was known. */
static void a_node_without_its_directory_opens_its_blob(void) {
    begin_both(3);
    CHECK_DONE(set_text("close and sweep"));
    for (uint32_t number = 1; number <= 3; number++) {
        greet(T0, number);
        send_to(T0, number);
    }
    end_backup();
    h_remove(own_directory);
    for (uint32_t number = 1; number <= 3; number++) {
        lnkeep_buf *message = NULL;
        lnkeep_opened *opened;
        lnkeep_bytes blob = retrieval_of(T0, number, &message);
        CHECK_FAULT(OTHER_SECRET, number, blob, AUTH_FAILED);
        CHECK_FAULT(SECRET, number + 1, blob, AUTH_FAILED);
        CHECK_DONE(open_as(SECRET, number, blob, &opened));
        held_text(opened, "close and sweep", number);
        lnkeep_buf_free(message);
    }
    end();
}

int main(int argc, char **argv) {
    static const h_test tests[] = {
        H_TEST(every_class_at_its_edges_goes_around),
        H_TEST(another_program_seals_the_same),
        H_TEST(faults_are_told_in_order),
        H_TEST(fields_are_given_as_found),
        H_TEST(any_change_is_noticed),
        H_TEST(nonces_are_hedged),
        H_TEST(mistakes_of_a_caller_are_refused),
        H_TEST(a_node_without_its_directory_opens_its_blob),
    };
    return h_main(argc, argv, tests, H_COUNT(tests), NULL, 0);
}
