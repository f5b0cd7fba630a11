"""Runs the Python of docs/backup-format.md over conformance cases: cases.py KIND LEAST [FILE or folder].

DC1 a case that is not judged is not counted, and fewer cases than LEAST fail. DC2 what `kept` seals is sealed
from the text of that page: the cases of `envelope` prove the cipher, those of `kept` what is done with it.
DC3 `library` reads blobs that the library made (documents_blobs.c).
"""
import hashlib, itertools, json, os, struct, sys

import htlcs
import restore as code
from open_envelope import hchacha20, keystream, mac, open_envelope, poly1305, share_records, split_roster

def text(value):
    """Numbers as the cases write them."""
    return None if value is None else str(value)

def envelope(case):
    expect, secret, peer = case["expect"], bytes.fromhex(case["secret"]), bytes.fromhex(case["peer"])
    if case["op"] == "kdf":
        root = mac(b"peer-storage-envelope v1", secret)
        made = root, mac(root, b"seal", peer, b"\1"), mac(root, b"nonce", peer, b"\1")
        return [key.hex() for key in made] != [expect[name] for name in ("prk", "seal_key", "nonce_key")]
    blob = case.get("blob") or expect.get("blob")
    if blob is None: return None
    opened = open_envelope(secret, peer, bytes.fromhex(blob))
    if isinstance(opened, str) or "error" in expect: return opened != expect.get("error")
    told = case if case["op"] == "seal" else expect
    return (str(opened["seq"]) != str(told["seq"]) or opened["instance"] != told["instance"] or
            told.get("payload") not in (None, opened["payload"].hex()))

def stripe(case):
    expect, k, n = case["expect"], case.get("k"), case.get("n")
    if case["op"] == "matrix":
        return [bytes(code.weights(range(k), index)).hex() for index in range(n)] != expect["rows"]
    if case["op"] == "encode":
        if "error" in expect: return None
        thing = bytes.fromhex(case["object"])
        shares = [bytes.fromhex(share) for share in expect["shares"]]
        if hashlib.sha256(thing).hexdigest() != expect["object_sha256"]: return True
        chosen = dict(list(enumerate(shares))[n - k:])
        return make_shares(k, n, thing) != shares or code.restore(k, len(thing), chosen) != thing
    if case["op"] == "decode":
        shares = {}
        for share in case["shares"]: shares.setdefault(share["index"], bytes.fromhex(share["data"]))
        thing = code.restore(k, case["object_len"], shares)
        return (thing is not None) if "error" in expect else thing != bytes.fromhex(expect["object"])
    records = share_records(bytes.fromhex(case["payload"]))
    if isinstance(records, str) or "error" in expect: return records != expect.get("error")
    names = ("generation", "k", "n", "index", "object_len", "object_sha256", "share")
    told = [tuple(text(record[name]) for name in names) for record in expect["records"]]
    return [(*map(str, record[:5]), record[5].hex(), record[6].hex()) for record in records] != told

def roster(case):
    expect = case["expect"]
    if case["op"] == "set_id":
        root = mac(b"peer-storage-envelope v1", bytes.fromhex(case["secret"]))
        named = mac(root, b"set", bytes([case["purpose"]]), struct.pack(">I", case["counter"]))
        return named[:16].hex() != expect["set_id"]
    if case["op"] == "split":
        split = split_roster(case["flags"], bytes.fromhex(case["payload"]))
        if isinstance(split, str) or "error" in expect: return split != expect.get("error")
        told = (expect["roster"] or {}).get("peers", [])
        names = ("node", "index", "address")
        peers = [dict(zip(names, (node.hex(), at, address.hex()))) for node, at, address in split[1]]
        return split[0].hex() != expect["content"] or peers != told
    if case["op"] == "join":
        split = split_roster(expect["flags"], bytes.fromhex(expect["payload"]))
        return isinstance(split, str) or split[0].hex() != case["content"]
    if "error" in expect: return None
    thing = bytes.fromhex(case.get("object") or expect["object"])
    opened = dict(kind=0, flags=2, seq=1, set_id="", payload=thing)
    told = case if case["op"] == "object_join" else expect
    return code.newest([opened]) != (1, bytes.fromhex(told["payload"]), bytes.fromhex(told["snapshot"]))

def plain(channels):
    """A set of HTLCs as the listing has it: HTLCs by their key, points by channel."""
    live, points = {}, {}
    for channel in channels:
        channel_id = bytes.fromhex(channel["channel_id"])
        if channel["point"] is not None: points[channel_id] = bytes.fromhex(channel["point"])
        for htlc in channel["htlcs"]:
            preimage = htlc["preimage"] and bytes.fromhex(htlc["preimage"])
            live[channel_id, htlc["is_incoming"], int(htlc["htlc_id"])] = (
                bytes.fromhex(htlc["payment_hash"]), int(htlc["amount_msat"]), htlc["cltv_expiry"],
                preimage, htlc["output_index"])
    return live, points

def journal(case):
    expect = case["expect"]
    base = plain(case.get("base", []))
    if case["op"] == "encode":
        if expect["uncovered_count"] or expect["unremoved_count"] or expect["points_left_count"]: return None
        if expect["dust_count"]: return None
        return htlcs.apply(bytes.fromhex(expect["htlcs"]), base) != plain(case["now"])
    if case["op"] == "journal":
        found = htlcs.journal(bytes.fromhex(case["content"]), base)
        if isinstance(found, str) or "error" in expect: return not isinstance(found, str)
        names = ("base_set_id", "base_generation", "uncovered_count", "uncovered_msat")
        head = [(text(value), text(expect.get(name, value))) for name, value in zip(names, found[0])]
        return any(have != told for have, told in head) or found[1] != plain(expect["now"])
    found = htlcs.apply(bytes.fromhex(case["htlcs"]), None if case["op"] == "decode_set" else base)
    if isinstance(found, str) or "error" in expect: return found != expect.get("error")
    return found != plain(expect.get("now", expect.get("set")))

def make_shares(k, n, thing):
    size = max(1, -(-len(thing) // k))
    pieces = [thing[at * size:(at + 1) * size].ljust(size, b"\0") for at in range(k)]
    made = []
    for index in range(n):
        share = bytes(size)
        for weight, piece in zip(code.weights(range(k), index), pieces):
            share = bytes(a ^ code.times(weight, b) for a, b in zip(share, piece))
        made.append(share)
    return made

def seal(secret, peer, kind, flags, seq, set_id, payload):
    """A blob of the smallest class, by the text of the page."""
    root = mac(b"peer-storage-envelope v1", secret)
    seal_key, nonce_key = mac(root, b"seal", peer, b"\1"), mac(root, b"nonce", peer, b"\1")
    header = struct.pack(">BBHIQQII16s16s32s", 1, kind, flags, len(payload), seq, 1_700_000_000, 800_000, 0,
                         b"instance of ours", set_id, hashlib.sha256(payload).digest())
    plaintext = (header + payload).ljust(1024 - 40, b"\0")
    nonce = mac(nonce_key, bytes(16), struct.pack(">Q", seq), hashlib.sha256(plaintext).digest())[:24]
    subkey, nonce12 = hchacha20(seal_key, nonce[:16]), bytes(4) + nonce[16:]
    stream = b"".join(keystream(subkey, nonce12, 1 + at) for at in range(16))
    sealed = bytes(a ^ b for a, b in zip(plaintext, stream))
    aad, fill = b"\1" + peer, lambda data: bytes(-len(data) % 16)
    authenticated = aad + fill(aad) + sealed + fill(sealed) + struct.pack("<QQ", len(aad), len(sealed))
    return nonce + sealed + poly1305(keystream(subkey, nonce12, 0)[:32], authenticated)

def kept():
    """Any three of five peers restore; two, or three of which one kept an older generation, do not mix."""
    secret, k, n = bytes(range(32)), 3, 5
    peers = [bytes([2 + (index & 1)]) * 33 for index in range(n)]
    peers = [peer[:32] + bytes([index]) for index, peer in enumerate(peers)]
    set_id = mac(mac(b"peer-storage-envelope v1", secret), b"set", b"\0", bytes(4))[:16]
    entries = b"".join(peer + bytes([index, 0]) for index, peer in enumerate(peers))
    tail = struct.pack(">QH", 9, n) + entries
    tail += struct.pack(">H", len(tail))

    def objects(generation):
        payload = b"payload of generation %d " % generation * 20
        return payload, payload + b"htlcs" + struct.pack(">I", 5)

    def blob(index, generations):
        content = bytes([len(generations)])
        for generation in generations:
            thing = objects(generation)[1]
            share = make_shares(k, n, thing)[index]
            content += struct.pack(">Q4B2I", generation, k, n, index, 0, len(share), len(thing))
            content += hashlib.sha256(thing).digest() + share
        return seal(secret, peers[index], 1, 1, generations[0] + index, set_id, content + tail)

    new, old = ([blob(index, generations) for index in range(n)] for generations in ([9, 4], [4]))
    for count in range(n + 1):
        for fresh in itertools.combinations(range(n), count):
            for stale in itertools.combinations(set(range(n)) - set(fresh), min(2, n - count)):
                blobs = [(peers[at], new[at]) for at in fresh] + [(peers[at], old[at]) for at in stale]
                opened = [open_envelope(secret, peer, blob) for peer, blob in blobs]
                held = len(fresh), len(fresh) + len(stale)
                wanted = 9 if held[0] >= k else 4 if held[1] >= k else None
                told = wanted and (wanted, objects(wanted)[0], b"htlcs")
                yield f"{fresh} new, {stale} old", any(isinstance(one, str) for one in opened) or \
                    code.newest(opened) != told

def library(folder):
    """What the library made: each whole blob alone, every three of the shares, and all journals."""
    opened = {}
    for name in sorted(os.listdir(folder)):
        if "-" not in name: continue
        payload, peer = name.split("-")
        with open(os.path.join(folder, name), "rb") as blob:
            opened[name] = open_envelope(bytes([7]) + bytes(31), bytes.fromhex(peer), blob.read())
        yield name, isinstance(opened[name], str)
    def payload(name):
        with open(os.path.join(folder, name), "rb") as file: return file.read()
    for name, one in opened.items():
        if name.startswith("whole"): yield f"{name} alone", code.newest([one])[1] != payload("whole")
        if one["kind"] != 2: continue
        found = htlcs.journal(split_roster(one["flags"], one["payload"])[0])
        yield f"{name} as a journal", isinstance(found, str) or \
            sorted(key[2] for key in found[1][0]) != [0, 1, 2]
    shares = [one for one in opened.values() if one["kind"] == 1]
    yield "all keepers but one, who has the last whole payload, have shares", len(shares) != 7
    yield "a roster names eight keepers", sorted(
        index for _, index, _ in split_roster(shares[0]["flags"], shares[0]["payload"])[1]
        if index is not None) != list(range(8))
    for three in itertools.combinations(shares, 3):
        restored = code.newest(three)
        yield f"{[one['seq'] for one in three]}", restored is None or restored[1] != payload("cut")
        yield f"{[one['seq'] for one in three[:2]]} of {three[2]['seq']}", code.newest(three[:2]) is not None

kind, least = sys.argv[1], int(sys.argv[2])
if kind in ("kept", "library"):
    judged = dict(kept() if kind == "kept" else library(sys.argv[3]))
else:
    judge = dict(envelope=envelope, stripe=stripe, roster=roster, journal=journal)[kind]
    cases = [json.loads(line) for line in open(sys.argv[3])]
    judged = {case["id"]: judge(case) for case in cases}
failed = [name for name, is_wrong in judged.items() if is_wrong]
ran = sum(is_wrong is not None for is_wrong in judged.values())
print(f"{kind}: {ran} of {len(judged)} cases, wrong: {failed}")
sys.exit(bool(failed) or ran < least)
