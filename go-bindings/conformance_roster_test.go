package lnkeep_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// rosterCase is a case of the vectors of our own backup that parts a payload, as FORMAT.md beside them says.
type rosterCase struct {
	ID      string          `json:"id"`
	Op      string          `json:"op"`
	Expect  json.RawMessage `json:"expect"`
	Flags   uint16          `json:"flags"`
	Payload string          `json:"payload"`
}

// TestConformance_Roster runs what of roster.jsonl the C ABI shows: payloads that are parted.
func TestConformance_Roster(t *testing.T) {
	content, err := os.ReadFile("../tests/vectors/backup/roster.jsonl")
	must(t, err)
	ran := 0
	for line := range bytes.Lines(content) {
		var one rosterCase
		must(t, json.Unmarshal(line, &one))
		if one.Op != "split" {
			continue
		}
		ran++
		t.Run(one.ID, func(t *testing.T) { expectJSON(t, one.Expect, splitCase(t, &one)) })
	}
	if ran < 50 {
		t.Fatalf("only %d cases", ran)
	}
}

func splitCase(t *testing.T, one *rosterCase) answer {
	content, roster, err := lnkeep.DecodeRoster(one.Flags, unhex(one.Payload))
	if err != nil {
		want(t, err, lnkeep.ErrBadShare)
		fault := lnkeep.ShareFaultOf(err)
		return answer{"error": fault.String(), "number": uint32(fault)}
	}
	if roster == nil {
		return answer{"content": hex.EncodeToString(content), "roster": nil}
	}
	peers := []answer{}
	for _, peer := range roster.Peers {
		index := any(peer.Index)
		if peer.Index == lnkeep.NoShare {
			index = nil
		}
		peers = append(peers, answer{
			"node": hex.EncodeToString(peer.Peer[:]), "index": index, "address": hex.EncodeToString(peer.Address),
		})
	}
	shown := answer{"generation": strconv.FormatUint(roster.Generation, 10), "peers": peers}
	return answer{"content": hex.EncodeToString(content), "roster": shown}
}
