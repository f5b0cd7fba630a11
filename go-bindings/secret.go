package lnkeep

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Secret is 32 secret bytes, such as the root share of an AMP payment or the payment secret of an invoice:
// printing it, in any format and inside other values, shows a fixed text instead, as for Preimage. (fmt asks
// nobody when a program prints a pointer field of its own with a verb that fits no pointer, such as %s.) Take
// the bytes with s[:].
type Secret [32]byte

// HostBytes are bytes in the host's encoding, which come back as they were given: a slice of bytes like any
// other. They may hold secrets, such as an invoice its payment secret or a route the root share of an AMP
// payment: printing them, in any format and inside other values, shows a fixed text instead.
type HostBytes []byte

const (
	redactedSecret    = "Secret(redacted)"
	redactedHostBytes = "HostBytes(redacted)"
)

// String is a fixed text without the secret.
func (Secret) String() string { return redactedSecret }

// GoString is a fixed text without the secret, for %#v.
func (Secret) GoString() string { return redactedSecret }

// Format writes a fixed text without the secret, whatever the verb.
func (Secret) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, redactedSecret) }

// LogValue is a fixed text without the secret, for log/slog.
func (Secret) LogValue() slog.Value { return slog.StringValue(redactedSecret) }

// MarshalText fails: a redacted text would lose the secret, and the bytes would show it.
func (Secret) MarshalText() ([]byte, error) {
	return nil, errors.New("lnkeep: a Secret is not marshaled; marshal its bytes, s[:], where they belong")
}

// String is a fixed text without the bytes.
func (HostBytes) String() string { return redactedHostBytes }

// GoString is a fixed text without the bytes, for %#v.
func (HostBytes) GoString() string { return redactedHostBytes }

// Format writes a fixed text without the bytes, whatever the verb.
func (HostBytes) Format(state fmt.State, _ rune) { _, _ = io.WriteString(state, redactedHostBytes) }

// LogValue is a fixed text without the bytes, for log/slog.
func (HostBytes) LogValue() slog.Value { return slog.StringValue(redactedHostBytes) }

// MarshalText fails: a redacted text would lose the bytes, and they would show what they hold.
func (HostBytes) MarshalText() ([]byte, error) {
	return nil, errors.New("lnkeep: HostBytes are not marshaled; marshal the bytes, b[:], where they belong")
}
