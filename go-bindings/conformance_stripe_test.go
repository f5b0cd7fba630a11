package lnkeep_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// stripeCase is a case of stripe.jsonl, as section 5 of FORMAT.md beside it describes it.
type stripeCase struct {
	ID        string          `json:"id"`
	Op        string          `json:"op"`
	Expect    json.RawMessage `json:"expect"`
	K         int             `json:"k"`
	N         int             `json:"n"`
	Object    string          `json:"object"`
	ObjectLen int             `json:"object_len"`
	Payload   string          `json:"payload"`
	Shares    []struct {
		Index int    `json:"index"`
		Data  string `json:"data"`
	} `json:"shares"`
}

// TestConformance_Stripe runs stripe.jsonl.
func TestConformance_Stripe(t *testing.T) {
	for _, one := range readStorageCases[stripeCase](t, "stripe") {
		t.Run(one.ID, func(t *testing.T) {
			switch one.Op {
			case "matrix":
				expectJSON(t, one.Expect, matrixCase(t, &one))
			case "encode":
				expectJSON(t, one.Expect, stripeEncodeCase(t, &one))
			case "decode":
				expectJSON(t, one.Expect, stripeDecodeCase(t, &one))
			case "record_decode":
				expectJSON(t, one.Expect, recordCase(t, &one))
			default:
				t.Fatalf("nobody knows the operation %q", one.Op)
			}
		})
	}
}

// matrixCase finds the matrix from shares: those of an object with one 1 are a column.
func matrixCase(t *testing.T, one *stripeCase) answer {
	rows := make([]string, one.N)
	for column := range one.K {
		object := make([]byte, one.K)
		object[column] = 1
		shares, err := lnkeep.EncodeStripe(one.K, one.N, object)
		must(t, err)
		for row, share := range shares {
			rows[row] += hex.EncodeToString(share.Bytes)
		}
	}
	return answer{"rows": rows}
}

func stripeEncodeCase(t *testing.T, one *stripeCase) answer {
	object := unhex(one.Object)
	made, err := lnkeep.EncodeStripe(one.K, one.N, object)
	if errors.Is(err, lnkeep.ErrInvalidArgument) {
		return answer{"error": "bad_params"}
	}
	must(t, err)
	var shares []string
	for _, share := range made {
		shares = append(shares, hex.EncodeToString(share.Bytes))
	}
	return answer{"share_len": len(made[0].Bytes), "shares": shares, "object_sha256": hashHex(object)}
}

func stripeDecodeCase(t *testing.T, one *stripeCase) answer {
	var have []lnkeep.StripeShare
	for _, share := range one.Shares {
		have = append(have, lnkeep.StripeShare{Index: share.Index, Bytes: unhex(share.Data)})
	}
	object, err := lnkeep.DecodeStripe(one.K, one.N, one.ObjectLen, have)
	if errors.Is(err, lnkeep.ErrNotEnoughShares) {
		return answer{"error": "not_enough_shares", "have": lnkeep.SharesHeld(err), "need": one.K}
	}
	must(t, err)
	return answer{"object": hex.EncodeToString(object)}
}

func recordCase(t *testing.T, one *stripeCase) answer {
	found, err := lnkeep.DecodeShareRecords(unhex(one.Payload))
	if err != nil {
		want(t, err, lnkeep.ErrBadShare)
		return answer{"error": lnkeep.ShareFaultOf(err).String()}
	}
	var records []answer
	for _, record := range found {
		records = append(records, answer{
			"generation": strconv.FormatUint(record.Generation, 10), "k": record.DataShares, "n": record.Shares,
			"index": record.Index, "object_len": record.ObjectBytes,
			"object_sha256": hex.EncodeToString(record.ObjectSHA256[:]), "share": hex.EncodeToString(record.Bytes),
		})
	}
	return answer{"records": records}
}
