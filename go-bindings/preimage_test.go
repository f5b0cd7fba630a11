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

// verbs are those of fmt that fit something, and some that do not fit.
var verbs = []string{
	"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%08.3o", "%c", "%U", "%t",
}

// timeless keeps the time out of logs: its digits may be those that a test looks for.
var timeless = &slog.HandlerOptions{ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
	if attr.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return attr
}}

// secretPayment has a secret wherever there may be one.
func secretPayment(secret lnkeep.Secret) (lnkeep.Payment, lnkeep.PaymentAttempt) {
	bytesOf := lnkeep.HostBytes(secret[:])
	attempt := lnkeep.PaymentAttempt{
		Request: lnkeep.PaymentAttemptRequest{
			Route: bytesOf, SessionKey: bytesOf, FirstHopRecords: bytesOf, MPP: &lnkeep.MPP{PaymentAddress: secret},
			AMP: &lnkeep.AMP{RootShare: secret},
		},
		Settle:  &lnkeep.AttemptSettle{Preimage: lnkeep.Preimage(secret)},
		Failure: &lnkeep.AttemptFailure{Message: bytesOf},
	}
	payment := lnkeep.Payment{
		Init: lnkeep.PaymentInit{
			PaymentRequest: bytesOf, FirstHopRecords: bytesOf, Intent: &lnkeep.Intent{AMPRootShare: &secret,
				Data: bytesOf},
		},
		Attempts: []lnkeep.PaymentAttempt{attempt},
	}
	return payment, attempt
}

func TestSecrets_AreNeverShown(t *testing.T) {
	var secret lnkeep.Secret
	for i := range secret {
		secret[i] = 0xd7
	}
	bytesOf := lnkeep.HostBytes(secret[:])
	payment, attempt := secretPayment(secret)
	answer := lnkeep.ResumeAnswer{Preimage: lnkeep.Preimage(secret), Failure: *attempt.Failure}
	store, payments := newPayments(t)
	attempts := openAttempts(t, store, nil)
	ops := []lnkeep.Operation{
		payments.OpInit(payment.Init), payments.OpRegister(lnkeep.PaymentHash{}, attempt.Request),
		payments.OpSettle(lnkeep.PaymentHash{}, key(1), *attempt.Settle),
		payments.OpFailAttempt(lnkeep.PaymentHash{}, key(1), *attempt.Failure),
		attempts.OpStoreResult(key(1), lnkeep.Settle(lnkeep.Preimage(secret))),
	}
	submission, err := store.SubmitAsync(ops...)
	must(t, err)
	result := lnkeep.Settle(lnkeep.Preimage(secret))
	var shown bytes.Buffer
	for _, verb := range verbs {
		for _, value := range []any{
			secret, &secret, bytesOf, &bytesOf, []lnkeep.Secret{secret}, payment, &payment, attempt, *attempt.Settle,
			*attempt.Failure, attempt.Request, *attempt.Request.MPP, *attempt.Request.AMP, *payment.Init.Intent,
			answer, ops,
			ops[0], &ops[0], submission, lnkeep.PaymentPage{Payments: []*lnkeep.Payment{&payment}},
			lnkeep.Attempt{Result: &result}, &lnkeep.Attempt{Result: &result}, payment.Init, &attempt, attempts,
			payments,
		} {
			fmt.Fprintf(&shown, verb, value)
		}
	}
	fmt.Fprintln(&shown, secret.String(), secret.GoString(), bytesOf.String(), bytesOf.GoString(), payment, ops)
	slog.New(slog.NewTextHandler(&shown, timeless)).Info("x", "secret", secret, "bytes", bytesOf, "payment",
		payment, "ops", ops)
	slog.New(slog.NewJSONHandler(&shown, timeless)).Info("x", "secret", secret, "bytes", bytesOf, "payment",
		payment, "ops", ops)
	for _, value := range []any{secret, bytesOf, payment, attempt} {
		if _, err := json.Marshal(value); err == nil {
			t.Errorf("JSON shows a %T", value)
		}
	}
	// A run of its bytes: addresses of pointers may hold any digits.
	text := strings.Join(strings.Fields(shown.String()), " ")
	for _, part := range []string{
		"d7d7d7d7", "D7D7D7D7", "0xd7, 0xd7", "215 215 215", "215, 215, 215", "327 327 327", "11010111 11010111",
	} {
		if strings.Contains(text, part) {
			t.Errorf("%q in %s", part, text)
		}
	}
	if !strings.Contains(text, "Sequence:0") || !strings.Contains(text, "Secret(redacted)") ||
		!strings.Contains(text, "HostBytes(redacted)") {
		t.Error("nothing was shown")
	}
}

func TestPreimage_IsNeverShown(t *testing.T) {
	var secret lnkeep.Preimage
	for i := range secret {
		secret[i] = 0xd7
	}
	result := lnkeep.Settle(secret)
	attempt := lnkeep.Attempt{Result: &result}
	var shown bytes.Buffer
	for _, verb := range verbs {
		fmt.Fprintf(&shown, verb, secret)
		fmt.Fprintf(&shown, verb, &secret)
		fmt.Fprintf(&shown, verb, result)
		fmt.Fprintf(&shown, verb, []lnkeep.Preimage{secret})
		fmt.Fprintf(&shown, verb, map[lnkeep.Preimage]lnkeep.Preimage{secret: secret})
		fmt.Fprintf(&shown, verb, *attempt.Result)
	}
	fmt.Fprintln(&shown, secret, secret.String(), secret.GoString(), result, &result)
	slog.New(slog.NewTextHandler(&shown, timeless)).Info("x", "preimage", secret, "result", result)
	slog.New(slog.NewJSONHandler(&shown, timeless)).Info("x", "preimage", secret, "result", result)
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
