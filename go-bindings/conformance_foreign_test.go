package lnkeep_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

// foreignCase is a case of a file foreign_*.jsonl; which key it has depends on its file.
type foreignCase struct {
	ID        string          `json:"id"`
	Op        string          `json:"op"`
	Expect    json.RawMessage `json:"expect"`
	Blob      string          `json:"blob"`
	Seed      string          `json:"seed"`
	Key       string          `json:"key"`
	HSMSecret string          `json:"hsm_secret"`
	SCBKey    string          `json:"scb_key"`
	NodeKey   string          `json:"node_private_key"`
}

// TestConformance_Foreign runs the cases of backups that other software made, all four files.
func TestConformance_Foreign(t *testing.T) {
	for _, file := range []struct {
		name string
		run  func(*testing.T, *foreignCase) answer
	}{
		{"foreign_ldk", ldkCase}, {"foreign_cln", clnCase}, {"foreign_lightning_kmp", kmpCase},
		{"foreign_lnd_scb", lndCase},
	} {
		content, err := os.ReadFile("../tests/vectors/peer_storage/" + file.name + ".jsonl")
		must(t, err)
		ran := 0
		for line := range bytes.Lines(content) {
			var one foreignCase
			must(t, json.Unmarshal(line, &one))
			t.Run(one.ID, func(t *testing.T) { expectJSON(t, one.Expect, file.run(t, &one)) })
			ran++
		}
		if ran < 9 {
			t.Fatalf("only %d cases in %s", ran, file.name)
		}
	}
}

func secretOf(text string) *lnkeep.Secret {
	secret := lnkeep.Secret(unhex(text))
	return &secret
}

// faultCase is what an error is in the words of the vectors; the version is the blob's first byte.
func faultCase(t *testing.T, one *foreignCase, err error) answer {
	want(t, err, lnkeep.ErrBadForeign)
	fault := lnkeep.ForeignFaultOf(err)
	if fault == lnkeep.ForeignUnknownVersion {
		return answer{"error": fault.String(), "version": unhex(one.Blob)[0]}
	}
	return answer{"error": fault.String()}
}

func ldkCase(t *testing.T, one *foreignCase) answer {
	if one.Op == "kdf" {
		key, err := lnkeep.LDKKey(secretOf(one.Seed))
		must(t, err)
		return answer{"peer_storage_key": hex.EncodeToString(key[:])}
	}
	opened, err := lnkeep.OpenLDK(secretOf(one.Key), unhex(one.Blob))
	if err != nil {
		return faultCase(t, one, err)
	}
	monitors := []answer{}
	for _, monitor := range opened.Monitors {
		monitors = append(monitors, answer{
			"channel_id":      hex.EncodeToString(monitor.ChannelID[:]),
			"counterparty":    hex.EncodeToString(monitor.Counterparty[:]),
			"min_seen_secret": monitor.MinSeenSecret,
			"monitor_len":     len(monitor.Monitor),
			"monitor_sha256":  hashHex(monitor.Monitor),
		})
	}
	return answer{"nonce": hex.EncodeToString(opened.Nonce[:]), "monitors": monitors}
}

func clnCase(t *testing.T, one *foreignCase) answer {
	key, err := lnkeep.CLNKey(unhex(one.HSMSecret))
	must(t, err)
	if hex.EncodeToString(key[:]) != one.SCBKey {
		t.Fatalf("the key is not %s", one.SCBKey)
	}
	opened, err := lnkeep.OpenCLN(&key, unhex(one.Blob))
	if err != nil {
		return faultCase(t, one, err)
	}
	channels := []answer{}
	for i := range opened.Channels {
		channels = append(channels, clnChannelCase(&opened.Channels[i]))
	}
	return answer{
		"format": opened.Format.String(), "version": opened.Version, "timestamp": opened.TimestampUnixSecs,
		"channels": channels,
	}
}

func clnChannelCase(c *lnkeep.CLNChannel) answer {
	told := answer{
		"id": c.DBID, "channel_id": hex.EncodeToString(c.ChannelID[:]),
		"node_id": hex.EncodeToString(c.NodeID[:]), "addr": hex.EncodeToString(c.Address),
		"funding_txid_raw": hex.EncodeToString(c.FundingTxID[:]), "funding_vout": c.FundingVout,
		"funding_sats": c.FundingSats, "channel_type": hex.EncodeToString(c.ChannelType),
	}
	if c.Shachain != nil {
		told["shachain_min_index"] = c.Shachain.MinIndex
		told["shachain_num_valid"] = len(c.Shachain.Entries)
	}
	if p := c.Basepoints; p != nil {
		all := append(append(append(p.Revocation[:], p.Payment[:]...), p.HTLC[:]...), p.DelayedPayment[:]...)
		told["basepoints"] = hex.EncodeToString(all)
	}
	if c.Opener != nil {
		told["opener"] = *c.Opener
	}
	if c.ToSelfDelayBlocks != nil {
		told["remote_to_self_delay"] = *c.ToSelfDelayBlocks
	}
	return told
}

func kmpCase(t *testing.T, one *foreignCase) answer {
	opened, err := lnkeep.OpenLightningKMP(secretOf(one.NodeKey), unhex(one.Blob))
	if err != nil {
		return faultCase(t, one, err)
	}
	return answer{"version": opened.Version, "payload": hex.EncodeToString(opened.Payload)}
}

func lndCase(t *testing.T, one *foreignCase) answer {
	opened, err := lnkeep.OpenLND(secretOf(one.Key), unhex(one.Blob))
	if err != nil {
		return faultCase(t, one, err)
	}
	return answer{
		"version": opened.Version, "count": opened.Count, "plaintext": hex.EncodeToString(opened.Plaintext),
	}
}
