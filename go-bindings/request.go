package lnkeep

// Request asks to register an attempt. Zero fields are unknown ones.
type Request struct {
	// Key is the attempt's identity.
	Key Key
	// CLTVExpiry is the absolute block height at which the HTLC times out.
	CLTVExpiry uint32
	// AmountMsat is the amount of the HTLC, in millisatoshi.
	AmountMsat uint64
	// FirstHopSCID is the short channel id of the first hop.
	FirstHopSCID uint64
	// Fingerprint is a hash of the whole request, made by the host: it tells a repeat from another
	// request under the same id (ErrFingerprintMismatch). nil when there is none.
	Fingerprint *[32]byte
	// PaymentHash makes a settle need the right preimage (ErrBadPreimage). nil when unknown.
	PaymentHash *[32]byte
}

// Failure says how an attempt is rolled back.
type Failure struct {
	// Code is the BOLT 4 failure code; 0 means temporary node failure.
	Code uint16
	// Message is the host's own encoding of the failure, at most 65,535 bytes; may be empty.
	Message []byte
	// Forced is the operator's word that a handed-off HTLC is gone. Without it such an attempt is
	// refused with ErrHandedOff.
	Forced bool
}
