package lnkeep

import (
	"fmt"
	"io"
)

// What holds secrets behind pointers is written here. Asked for a pointer with a verb that does not fit it,
// such as %s, fmt writes what it points to without the methods that hide a secret. As %v it writes the
// address alone, so every verb is treated as %v.

func formatPlain(state fmt.State, verb rune, plain any) {
	format := "%v"
	if verb == 'v' {
		format = fmt.FormatString(state, verb)
	}
	_, _ = fmt.Fprintf(state, format, plain)
}

// Types without methods, so that fmt writes their fields.
type (
	plainAttempt               Attempt
	plainIntent                Intent
	plainPayment               Payment
	plainPaymentAttempt        PaymentAttempt
	plainPaymentAttemptRequest PaymentAttemptRequest
	plainPaymentInit           PaymentInit
)

// Format writes the fields, secrets redacted, whatever the verb.
func (a Attempt) Format(state fmt.State, verb rune) { formatPlain(state, verb, plainAttempt(a)) }

// Format writes the fields, secrets redacted, whatever the verb.
func (i Intent) Format(state fmt.State, verb rune) { formatPlain(state, verb, plainIntent(i)) }

// Format writes the fields, secrets redacted, whatever the verb.
func (p Payment) Format(state fmt.State, verb rune) { formatPlain(state, verb, plainPayment(p)) }

// Format writes the fields, secrets redacted, whatever the verb.
func (a PaymentAttempt) Format(state fmt.State, verb rune) {
	formatPlain(state, verb, plainPaymentAttempt(a))
}

// Format writes the fields, secrets redacted, whatever the verb.
func (r PaymentAttemptRequest) Format(state fmt.State, verb rune) {
	formatPlain(state, verb, plainPaymentAttemptRequest(r))
}

// Format writes the fields, secrets redacted, whatever the verb.
func (i PaymentInit) Format(state fmt.State, verb rune) {
	formatPlain(state, verb, plainPaymentInit(i))
}

// Format writes what the operation does to what, whatever the verb: it may hold secrets.
func (op Operation) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, "Operation("+op.kind.String()+" of "+op.subject()+")")
}

// Format writes how many operations were accepted, whatever the verb: they may hold secrets.
func (s *Submission) Format(state fmt.State, _ rune) {
	_, _ = fmt.Fprintf(state, "Submission(of %d operations)", len(s.ops))
}
