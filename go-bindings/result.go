package lnkeep

import "strconv"

// ResultKind tells a settle from a failure.
type ResultKind uint32

// The kinds of result. A later library may know more.
const (
	// ResultSettle: the preimage is known.
	ResultSettle ResultKind = 1
	// ResultFail: the attempt failed.
	ResultFail ResultKind = 2
)

// String is "settle" or "fail", or the number of a kind that this version does not know.
func (k ResultKind) String() string { return named(uint32(k), "result kind", "", "settle", "fail") }

// Result is the final result of an attempt. Every field comes back exactly as it was stored.
type Result struct {
	// Kind tells a settle from a failure.
	Kind ResultKind
	// Unencrypted: the reason is in the clear because this node made it.
	Unencrypted bool
	// Resolution: the outcome was learned on chain.
	Resolution bool
	// FailureCode is the BOLT 4 code of a failure this node made; 0 for a settle, and when only the
	// encrypted reason is known.
	FailureCode uint16
	// Preimage is that of a settle; zero for a failure.
	Preimage Preimage
	// Message is the host's own message or reason, at most 65,535 bytes; nil when empty.
	Message []byte
}

// Settle is the result of an attempt whose preimage is known.
func Settle(preimage Preimage) Result { return Result{Kind: ResultSettle, Preimage: preimage} }

// Fail is the result of an attempt that failed elsewhere, with the encrypted reason as it arrived.
func Fail(reason []byte) Result { return Result{Kind: ResultFail, Message: reason} }

// FailLocal is the result of an attempt that failed at this node, with a BOLT 4 failure code and the
// host's own encoding of the failure, which may be empty.
func FailLocal(code uint16, message []byte) Result {
	return Result{Kind: ResultFail, Unencrypted: true, FailureCode: code, Message: message}
}

// Decryptor says what the host's decrypter does with an encrypted reason.
type Decryptor uint32

// The answers of a decrypter.
const (
	// DecryptorNone: there is none; an encrypted reason is for the client.
	DecryptorNone Decryptor = 0
	// DecryptorOK: it reads the reason.
	DecryptorOK Decryptor = 1
	// DecryptorFails: it cannot read the reason.
	DecryptorFails Decryptor = 2
)

// Classified is how a result is to be presented.
type Classified uint32

// The presentations of a result.
const (
	// ClassifiedSettled: the preimage is known.
	ClassifiedSettled Classified = 1
	// ClassifiedEncrypted: an encrypted blob for a client that decrypts itself.
	ClassifiedEncrypted Classified = 2
	// ClassifiedForwardingFailure: a failure of a known hop.
	ClassifiedForwardingFailure Classified = 3
	// ClassifiedUnreadable: an encrypted failure nobody can read.
	ClassifiedUnreadable Classified = 4
	// ClassifiedLocalFailure: a failure of this node.
	ClassifiedLocalFailure Classified = 5
	// ClassifiedLocalFailureUndecodable: a failure of this node whose bytes do not decode.
	ClassifiedLocalFailureUndecodable Classified = 6
	// ClassifiedOnchainTimeout: the HTLC timed out on chain.
	ClassifiedOnchainTimeout Classified = 7
)

// String is a name such as "onchain_timeout", or the number of one this version does not know.
func (c Classified) String() string {
	return named(uint32(c), "classified", "", "settled", "encrypted", "forwarding_failure", "unreadable",
		"local_failure", "local_failure_undecodable", "onchain_timeout")
}

// Classify tells how the result is to be presented; it looks at no store. ErrInvalidArgument for a kind
// or decryptor that is unknown, ErrBusy without memory. Safe for concurrent use.
func (r Result) Classify(decryptor Decryptor) (Classified, error) {
	return cClassify(r, decryptor)
}

// named is the name of a number, or the number itself when there is none.
func named(number uint32, what string, names ...string) string {
	if int64(number) < int64(len(names)) && names[number] != "" {
		return names[number]
	}
	return what + " " + strconv.FormatUint(uint64(number), 10)
}
