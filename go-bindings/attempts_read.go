package lnkeep

import (
	"iter"
	"time"
)

// Get is the record of an attempt. It does not wait for the disk.
//
// Errors: ErrNotFound, ErrDeleted, ErrCorruptRecord, ErrBusy, ErrClosed, ErrPoisoned.
func (a *Attempts) Get(key Key) (Attempt, error) {
	if err := a.refuse("get"); err != nil {
		return Attempt{}, err
	}
	return cAttemptsGet(a.shared.handle, key)
}

// Result is the final result of an attempt. It does not wait; WaitResult does.
//
// Errors: ErrResultPending, ErrNotFound, ErrDeleted, ErrCorruptRecord, ErrBusy, ErrClosed, ErrPoisoned.
func (a *Attempts) Result(key Key) (Result, error) {
	if err := a.refuse("result"); err != nil {
		return Result{}, err
	}
	return cAttemptsResult(a.shared.handle, key)
}

// HasResult reports whether a final result is stored: false for pending, unknown, deleted and unreadable
// attempts. Errors: ErrBusy, ErrClosed, ErrPoisoned.
func (a *Attempts) HasResult(key Key) (bool, error) {
	if err := a.refuse("has_result"); err != nil {
		return false, err
	}
	return cAttemptsHasResult(a.shared.handle, key)
}

// Query chooses attempts. The zero value chooses all of the default namespace.
type Query struct {
	// Namespace is whose attempts.
	Namespace Namespace
	// AllNamespaces lists every namespace instead.
	AllNamespaces bool
	// States are the states to list; none means every one. Pending states alone read only pending rows.
	States []State
	// After goes on after this key, from Page.Next.
	After *Key
	// CreatedBefore lists only attempts created at or before this time, to the millisecond; zero means
	// any. Attempts of unknown time never match.
	CreatedBefore time.Time
	// ExpiredAtHeight lists only pending attempts whose CLTV expiry lies at or below this block height;
	// 0 means any.
	ExpiredAtHeight uint32
	// Limit is the greatest number of attempts in a page; 0 means 1,000, the most there is.
	Limit uint32
}

// Page is one part of a list, in the order of the keys, and one consistent view.
type Page struct {
	// Attempts are those that matched. There may be none although the list goes on.
	Attempts []Attempt
	// Unreadable are the keys of unreadable records met on the way.
	Unreadable []Key
	// Next is what Query.After needs to go on; nil at the end of the list.
	Next *Key
}

// List is one page of attempts: it visits at most 10,000 rows.
//
// Errors: ErrInvalidArgument, ErrUnsupported, ErrBusy, ErrClosed, ErrPoisoned.
func (a *Attempts) List(query Query) (Page, error) {
	if err := a.refuse("list"); err != nil {
		return Page{}, err
	}
	for _, state := range query.States {
		if state > 31 {
			return Page{}, invalid("list", "a state is above 31")
		}
	}
	if _, ok := unixMilli(query.CreatedBefore); !ok {
		return Page{}, invalid("list", "CreatedBefore lies before 1970")
	}
	return cAttemptsList(a.shared.handle, &query)
}

// All visits every attempt of a query, page by page: what changes meanwhile may be seen or not. An
// unreadable record comes as its key with ErrCorruptRecord, and the visit goes on; any other error ends
// it. The errors are List's.
func (a *Attempts) All(query Query) iter.Seq2[Attempt, error] {
	return func(yield func(Attempt, error) bool) {
		for {
			page, err := a.List(query)
			if err != nil {
				yield(Attempt{}, err)
				return
			}
			for _, attempt := range page.Attempts {
				if !yield(attempt, nil) {
					return
				}
			}
			for _, key := range page.Unreadable {
				if !yield(Attempt{Key: key}, refusal("list", StatusCorruptRecord, "attempt "+key.String()+
					": the record is damaged; quarantine it")) {
					return
				}
			}
			if page.Next == nil {
				return
			}
			query.After = page.Next
		}
	}
}

// Counts are the numbers of records of a namespace by state, without a scan.
//
// Errors: ErrCorruptRecord, ErrBusy, ErrClosed, ErrPoisoned.
func (a *Attempts) Counts(namespace Namespace) (Counts, error) { return a.counts(&namespace) }

// CountsOfAll are the numbers of records of all namespaces together. Errors are those of Counts.
func (a *Attempts) CountsOfAll() (Counts, error) { return a.counts(nil) }

func (a *Attempts) counts(namespace *Namespace) (Counts, error) {
	if err := a.refuse("counts"); err != nil {
		return Counts{}, err
	}
	return cAttemptsCounts(a.shared.handle, namespace)
}

// IsExternal reports whether an external router owns the attempts. Errors: ErrBusy, ErrClosed,
// ErrPoisoned.
func (a *Attempts) IsExternal() (bool, error) {
	if err := a.refuse("is_external"); err != nil {
		return false, err
	}
	return cAttemptsIsExternal(a.shared.handle)
}
