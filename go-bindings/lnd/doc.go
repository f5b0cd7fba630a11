// Package lnd is lnd's payment database on top of lnkeep: a paymentsdb.DB of lnd v0.21.3-beta, whose safety
// rules are the store's and hold for any number of callers.
//
// It is a module of its own, so that nobody else depends on lnd. In lnd, Open takes the place of
// paymentsdb.NewKVStore or NewSQLStore in config_builder.go:
//
//	payments, err := lnd.Open(filepath.Join(cfg.DataDir, "payments.lnkeep"), nil)
//	if err != nil {
//		return nil, nil, err
//	}
//	dbs.PaymentsDB = payments
//
// A node that keeps more than payments in one store opens the store itself and uses New. Beside lnd's calls
// it should call Store.Tick for every block, and Payments.Sweep now and then if it set a retention; after a
// restore nothing is initiated or registered (lnkeep.ErrNotAcknowledged) until Attempts.AcknowledgeRestore.
//
// # What is kept, and how
//
// Nothing of lnd's types is lost, nil and empty bytes included; times to the nanosecond, in the local zone,
// as lnd's own key-value store gives them. What the library has fields for is in them: amounts, fees, MPP and
// AMP records, the total of a blinded path, the first hop, expiry, hashes, times, reasons. The rest is in
// bytes that this package encodes (encoding.go, route.go): the route, session key and custom records.
// Failure messages are in their wire encoding, payment requests as they are.
//
// Refused are what lnd could not send either, a route without hops or with custom records of a standard
// type, and times that the library cannot hold: up to 1970, or after the year 2554. An outcome is never
// refused for its time; it is then unknown.
//
// Only lnd can give an attempt its session key, and only with an onion or by decoding its own key-value
// format; sessionkey.go says how this package goes about it. One exported constructor that takes the raw key
// would make it superfluous.
//
// # Errors
//
// Every refusal that lnd has an error for is that error to errors.Is, and the library's too. Errors of class
// lnkeep.ErrUnknown may have been applied: the store has to be opened again, which in lnd means a restart.
//
// # Where it differs from lnd's stores
//
// Open makes stores with LNDCompat, which repeats lnd's rules where they are questionable: attempt ids need
// not be unique, preimages are not checked, and a payment that succeeded can be given a reason of failure.
// New also takes a store without it, which refuses all three. In either:
//
//   - RegisterAttempt needs no caller to keep calls for one payment apart.
//   - FetchInFlightPayments reads unfinished payments alone, not all that were ever made.
//   - A damaged payment does not make a list fail: it is left out, and Options.OnUnreadable is told.
//   - The hash of a payment that succeeded and was deleted stays refused with ErrAlreadyPaid, unless
//     Options.ForgetPaid is set.
//   - DeletePayments goes in bounded steps instead of one long transaction.
//   - SettleAttempt, FailAttempt and DeletePayment answer errors that errors.Is knows where lnd's stores
//     answer texts: lnkeep.ErrAttemptNotFound, ErrPaymentNotInitiated.
//   - A payment that was settled for more than its amount is listed, with nothing remaining, instead of
//     failing every list with ErrSentExceedsTotal.
//   - Payments that old releases of lnd made twice for one hash do not exist here.
package lnd
