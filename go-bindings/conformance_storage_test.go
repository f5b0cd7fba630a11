package lnkeep_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strconv"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// storageCase is a case of the vectors of peer storage, as FORMAT.md beside them describes it; which
// members it has depends on its file and its operation.
type storageCase struct {
	ID     string          `json:"id"`
	Op     string          `json:"op"`
	Expect json.RawMessage `json:"expect"`

	Message string        `json:"msg"`
	Parts   []messagePart `json:"msg_parts"`
	Lenient *wireAnswer   `json:"expect_lenient"`
	Strict  *wireAnswer   `json:"expect_strict"`
	Same    bool          `json:"reencodes_to_same_bytes"`

	Type     string `json:"type"`
	BlobLen  int    `json:"blob_len"`
	BlobFill string `json:"blob_fill"`

	Features string `json:"features"`

	Secret      string           `json:"secret"`
	Peer        string           `json:"peer"`
	Payload     string           `json:"payload"`
	PayloadFill string           `json:"payload_fill"`
	PayloadLen  int              `json:"payload_len"`
	SizeClass   lnkeep.SizeClass `json:"size_class"`
	Entropy     string           `json:"entropy"`
	Blob        string           `json:"blob"`
	Kind        uint8            `json:"kind"`
	Flags       uint16           `json:"flags"`
	Seq         string           `json:"seq"`
	Created     uint64           `json:"created"`
	Height      uint32           `json:"height"`
	Instance    string           `json:"instance"`
	SetID       string           `json:"set_id"`
}

type messagePart struct {
	Hex   string `json:"hex"`
	Fill  string `json:"fill"`
	Count int    `json:"count"`
}

// wireAnswer is what decoding a message answers. What is in its extension the C ABI does not list.
type wireAnswer struct {
	Error        string  `json:"error"`
	Class        string  `json:"class"`
	Type         any     `json:"type"`
	BlobLen      int     `json:"blob_len"`
	BlobSHA256   string  `json:"blob_sha256"`
	Blob         *string `json:"blob"`
	ExtensionLen int     `json:"extension_len"`
}

func readStorageCases[T any](t *testing.T, file string) (cases []T) {
	content, err := os.ReadFile("../tests/vectors/peer_storage/" + file + ".jsonl")
	must(t, err)
	for line := range bytes.Lines(content) {
		var one T
		must(t, json.Unmarshal(line, &one))
		cases = append(cases, one)
	}
	if len(cases) < 20 {
		t.Fatalf("only %d cases in %s", len(cases), file)
	}
	return cases
}

func hashHex(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// TestConformance_Wire runs wire_decode.jsonl, wire_encode.jsonl and features.jsonl.
func TestConformance_Wire(t *testing.T) {
	for _, one := range readStorageCases[storageCase](t, "wire_decode") {
		t.Run(one.ID, func(t *testing.T) { decodeCase(t, &one) })
	}
	for _, one := range readStorageCases[storageCase](t, "wire_encode") {
		t.Run(one.ID, func(t *testing.T) { encodeCase(t, &one) })
	}
	for _, one := range readStorageCases[storageCase](t, "features") {
		t.Run(one.ID, func(t *testing.T) {
			offered, required, err := lnkeep.StorageFeature(unhex(one.Features))
			must(t, err)
			expectJSON(t, one.Expect, answer{"offers_storage": offered, "required": required})
		})
	}
}

func decodeCase(t *testing.T, one *storageCase) {
	message := unhex(one.Message)
	for _, part := range one.Parts {
		if part.Fill != "" {
			message = append(message, bytes.Repeat(unhex(part.Fill), part.Count)...)
		}
		message = append(message, unhex(part.Hex)...)
	}
	if one.Lenient == nil || one.Strict == nil {
		t.Fatal("nothing is expected")
	}
	checkDecoded(t, lnkeep.DecodeWireStrict, message, one.Strict, false)
	checkDecoded(t, lnkeep.DecodeWire, message, one.Lenient, one.Same)
}

func checkDecoded(
	t *testing.T, decode func([]byte) (lnkeep.WireMessage, error), message []byte, expected *wireAnswer,
	same bool,
) {
	decoded, err := decode(message)
	if expected.Error != "" {
		fault, class := lnkeep.WireFaultOf(err).String(), expected.Error
		if class == "bad_extension" {
			class = expected.Class
		}
		if !errors.Is(err, lnkeep.ErrBadMessage) || fault != class {
			t.Fatalf("%v, and not %s", err, class)
		}
		return
	}
	must(t, err)
	if decoded.Kind.String() != expected.Type || len(decoded.Blob) != expected.BlobLen ||
		hashHex(decoded.Blob) != expected.BlobSHA256 || len(decoded.Extension) != expected.ExtensionLen ||
		expected.Blob != nil && hex.EncodeToString(decoded.Blob) != *expected.Blob {
		t.Fatalf("%v, and not %+v", decoded, expected)
	}
	encoded, err := encodeKind(decoded.Kind.String(), decoded.Blob)
	must(t, err)
	if isSame := bytes.Equal(encoded, message); isSame != (len(decoded.Extension) == 0) || same && !isSame {
		t.Fatal("it is encoded to other bytes")
	}
}

func encodeKind(kind string, blob []byte) ([]byte, error) {
	if kind == "peer_storage" {
		return lnkeep.EncodePeerStorage(blob)
	}
	return lnkeep.EncodePeerStorageRetrieval(blob)
}

func encodeCase(t *testing.T, one *storageCase) {
	message, err := encodeKind(one.Type, bytes.Repeat(unhex(one.BlobFill), one.BlobLen))
	if errors.Is(err, lnkeep.ErrTooBig) {
		expectJSON(t, one.Expect, answer{"error": "blob_too_long"})
		return
	}
	must(t, err)
	expectJSON(t, one.Expect, answer{
		"msg_len": len(message), "msg_sha256": hashHex(message), "msg": hex.EncodeToString(message),
	})
}

// expectJSON fails unless every member that is expected is answered so.
func expectJSON(t *testing.T, expected json.RawMessage, got answer) {
	t.Helper()
	encoded, err := json.Marshal(got)
	must(t, err)
	members, isObject := decodeExact(t, expected).(map[string]any)
	if !isObject || len(members) == 0 {
		t.Fatalf("nothing is expected: %s", expected)
	}
	answered := decodeExact(t, encoded).(map[string]any)
	for name, value := range members {
		if actual, isThere := answered[name]; !isThere || !reflect.DeepEqual(value, actual) {
			t.Fatalf("%s is expected to be %v: %v", name, value, actual)
		}
	}
}

// TestConformance_Envelope runs envelope.jsonl but for the keys, which the C ABI does not show.
func TestConformance_Envelope(t *testing.T) {
	for _, one := range readStorageCases[storageCase](t, "envelope") {
		t.Run(one.ID, func(t *testing.T) {
			secret, peer := lnkeep.Secret(unhex(one.Secret)), lnkeep.NodeID(unhex(one.Peer))
			switch one.Op {
			case "kdf":
				t.Skip("looks at keys, which the C ABI does not show: tests/conformance.rs runs it")
			case "seal":
				expectJSON(t, one.Expect, sealCase(t, &one, &secret, peer))
			case "open":
				expectJSON(t, one.Expect, openCase(t, &one, &secret, peer))
			default:
				t.Fatalf("nobody knows the operation %q", one.Op)
			}
		})
	}
}

func sealCase(t *testing.T, one *storageCase, secret *lnkeep.Secret, peer lnkeep.NodeID) answer {
	payload := unhex(one.Payload)
	if one.PayloadFill != "" {
		payload = bytes.Repeat(unhex(one.PayloadFill), one.PayloadLen)
	}
	header := lnkeep.EnvelopeHeader{
		Seq: number(one.Seq), CreatedUnixSecs: one.Created, BlockHeight: one.Height,
		Kind: lnkeep.EnvelopeKind(one.Kind), Flags: one.Flags, Instance: [16]byte(unhex(one.Instance)),
		SetID: [16]byte(unhex(one.SetID)),
	}
	blob, err := lnkeep.SealEnvelope(secret, peer, header, payload, one.SizeClass, [16]byte(unhex(one.Entropy)))
	if errors.Is(err, lnkeep.ErrTooBig) {
		return answer{"error": "payload_too_large"}
	}
	must(t, err)
	opened, err := lnkeep.OpenEnvelope(secret, peer, blob)
	if err != nil || opened.EnvelopeHeader != header || !bytes.Equal(opened.Payload, payload) {
		t.Fatalf("it opens to %+v, %v", opened, err)
	}
	return answer{
		"blob_len": len(blob), "blob_sha256": hashHex(blob), "nonce": hex.EncodeToString(blob[:24]),
		"tag": hex.EncodeToString(blob[len(blob)-16:]), "blob": hex.EncodeToString(blob),
	}
}

func openCase(t *testing.T, one *storageCase, secret *lnkeep.Secret, peer lnkeep.NodeID) answer {
	opened, err := lnkeep.OpenEnvelope(secret, peer, unhex(one.Blob))
	if err != nil {
		want(t, err, lnkeep.ErrBadEnvelope)
		return answer{"error": lnkeep.EnvelopeFaultOf(err).String()}
	}
	shown := any(nil)
	if len(opened.Payload) <= 256 {
		shown = hex.EncodeToString(opened.Payload)
	}
	return answer{
		"kind": opened.Kind, "flags": opened.Flags, "seq": strconv.FormatUint(opened.Seq, 10),
		"created": opened.CreatedUnixSecs, "height": opened.BlockHeight,
		"instance": hex.EncodeToString(opened.Instance[:]), "set_id": hex.EncodeToString(opened.SetID[:]),
		"payload_len": len(opened.Payload), "payload_sha256": hex.EncodeToString(opened.PayloadSHA256[:]),
		"payload": shown,
	}
}
