package lnkeep

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Preimage is the proof of a payment, 32 bytes. It is a secret until its HTLC is settled: printing it,
// in any format and inside other values, shows a fixed text instead. Take the bytes with p[:].
type Preimage [32]byte

const redacted = "Preimage(redacted)"

// String is a fixed text without the secret.
func (Preimage) String() string { return redacted }

// GoString is a fixed text without the secret, for %#v.
func (Preimage) GoString() string { return redacted }

// Format writes a fixed text without the secret, whatever the verb.
func (Preimage) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, redacted) }

// LogValue is a fixed text without the secret, for log/slog.
func (Preimage) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText fails: a redacted text would lose the preimage, and the bytes would show it.
func (Preimage) MarshalText() ([]byte, error) {
	return nil, errors.New("lnkeep: a Preimage is not marshaled; marshal its bytes, p[:], where they belong")
}
