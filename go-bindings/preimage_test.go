package lnkeep_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/lnkeep/lnkeep/go-bindings"
)

func TestPreimage_IsNeverShown(t *testing.T) {
	var secret lnkeep.Preimage
	for i := range secret {
		secret[i] = 0xd7
	}
	result := lnkeep.Settle(secret)
	attempt := lnkeep.Attempt{Result: &result}
	var shown bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%08.3o", "%c", "%U", "%t"} {
		fmt.Fprintf(&shown, verb, secret)
		fmt.Fprintf(&shown, verb, &secret)
		fmt.Fprintf(&shown, verb, result)
		fmt.Fprintf(&shown, verb, []lnkeep.Preimage{secret})
		fmt.Fprintf(&shown, verb, map[lnkeep.Preimage]lnkeep.Preimage{secret: secret})
		fmt.Fprintf(&shown, verb, *attempt.Result)
	}
	fmt.Fprintln(&shown, secret, secret.String(), secret.GoString(), result, &result)
	slog.New(slog.NewTextHandler(&shown, nil)).Info("x", "preimage", secret, "result", result)
	slog.New(slog.NewJSONHandler(&shown, nil)).Info("x", "preimage", secret, "result", result)
	if _, err := json.Marshal(result); err == nil {
		t.Error("JSON shows it")
	}
	for _, part := range []string{"d7", "D7", "215", "327", "11010111"} {
		if strings.Contains(shown.String(), part) {
			t.Errorf("%q in %s", part, shown.String())
		}
	}
	if !strings.Contains(shown.String(), "redacted") {
		t.Error("nothing was shown")
	}
}
